"""Rows of the OSMO glove's magnetometers in each layout, written down from the table of layouts."""

import numpy as np

START = 1_700_000_000_123_456_789
PERIOD = 40_000_000
FINGERS = ("index", "middle", "ring", "pinky", "thumb")
FIRST_MAIN = {"index": 12, "middle": 8, "ring": 4, "pinky": 0, "thumb": 16}
REFERENCE = 20


def counts(rows=60, seed=0):
    """Raw counts (rows, 10, 3) float32: main and reference of each finger, in the glove's order."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 300, (rows, 10, 3)).astype(np.float32)


def stamps(rows=60):
    """When the bag received each row [ns], with a little jitter."""
    jitter = np.random.default_rng(1).integers(-3_000_000, 3_000_000, rows)
    return START + PERIOD * np.arange(rows) + jitter


def sensor_times(rows=60):
    """The sensors' own clock [ns] in float32 (rows, 10)."""
    return (3.7e13 + 4e7 * np.arange(rows)[:, None] + 1e5 * np.arange(10)).astype(np.float32)


def inertial(rows=60):
    """t, qx, qy, qz, qw of each finger (rows, 5, 5) float32."""
    turns = np.random.default_rng(2).normal(size=(rows, 5, 4)).astype(np.float32)
    return np.concatenate([sensor_times(rows)[:, ::2, None], turns], axis=2)


def with_times(xyz):
    return np.concatenate([sensor_times(len(xyz))[..., None], xyz], axis=2)


def full_message(xyz):
    """Finger by finger: [t, x, y, z] main, [t, x, y, z] reference, [t, qx, qy, qz, qw]."""
    sensors, imu, rows = with_times(xyz), inertial(len(xyz)), []
    for t in range(len(xyz)):
        parts = [
            part for i in range(5) for part in (sensors[t, 2 * i], sensors[t, 2 * i + 1], imu[t, i])
        ]
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def legacy(xyz, address=3):
    """(N, 40, 14), NaN but for the ten addresses in use; quaternions at the main ones."""
    count = len(xyz)
    rows = np.full((count, 40, 14), np.nan, np.float32)
    times, imu = sensor_times(count), inertial(count)
    for i, finger in enumerate(FINGERS):
        main = FIRST_MAIN[finger] + address
        for role, slot in enumerate((main, main + REFERENCE)):
            rows[:, slot, 0] = times[:, 2 * i + role]
            rows[:, slot, 1:3] = 1.7e9, 5e8
            rows[:, slot, 3:6] = xyz[:, 2 * i + role]
        rows[:, main, 6] = imu[:, i, 0]
        rows[:, main, 7:9] = 1.7e9, 6e8
        rows[:, main, 9:13] = imu[:, i, 1:]
        rows[:, main, 13] = 3.0
    return rows


def paired(rows):
    return list(zip(stamps(len(rows)).tolist(), rows, strict=True))


LAYOUTS = {
    "(N, 40)": lambda xyz: with_times(xyz).reshape(-1, 40),
    "(N, 10, 4)": with_times,
    "(N, 2) of 30": lambda xyz: paired(xyz.reshape(-1, 30)),
    "(N, 2) of 40": lambda xyz: paired(with_times(xyz).reshape(-1, 40)),
    "(N, 30)": lambda xyz: xyz.reshape(-1, 30),
    "(N, 10, 3)": lambda xyz: xyz,
    "(N, 65)": full_message,
    "(N, 40, 14)": legacy,
}
"""What a file holds in each layout, of the same counts."""
