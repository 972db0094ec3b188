"""Files of each tracker, written the way it writes them, of any hands' keypoints."""

import json
import pickle

import h5py
import numpy as np

from retarget.human.keypoints import FROM_MANUS
from retarget.human.sources import avp, egodex

Z_UP_TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""The world of our keypoints, z up, in that of the headsets, y up."""


def lying(keypoints):
    return keypoints @ Z_UP_TO_Y_UP.T


def with_metacarpals(keypoints):
    """25 joints (T, 25, 3): a metacarpal is a third of the way from the wrist to its knuckle."""
    joints = np.empty((len(keypoints), 25, 3))
    joints[:, FROM_MANUS] = keypoints
    for start in (5, 10, 15, 20):
        joints[:, start] = (2 * joints[:, 0] + joints[:, start + 1]) / 3
    return joints


def matrices(points, rotation=None):
    out = np.tile(np.eye(4), (*points.shape[:-1], 1, 1))
    out[..., :3, 3] = points
    if rotation is not None:
        out[..., :3, :3] = rotation
    return out


def write_egodex(path, hands, confidences=None, **attrs):
    """`hands` from a side to keypoints in a world whose z is up; the camera looks down on them."""
    with h5py.File(path, "w") as file:
        for side, keypoints in hands.items():
            for joint, points in zip(
                egodex.JOINTS, with_metacarpals(lying(keypoints)).swapaxes(0, 1), strict=True
            ):
                file[f"transforms/{side}{joint}"] = matrices(points).astype(np.float32)
                if confidences is not None:
                    file[f"confidences/{side}{joint}"] = confidences[side].astype(np.float32)
        count = len(points)
        above = lying(np.array([0.0, 0.0, 1.5]))
        looking_down = Z_UP_TO_Y_UP @ np.diag([1.0, -1.0, -1.0])
        file["transforms/camera"] = np.tile(matrices(above, looking_down), (count, 1, 1))
        file["camera/intrinsic"] = np.array([[700.0, 0, 960], [0, 710.0, 540], [0, 0, 1]])
        file.attrs.update(attrs)


def avp_arrays(hands, wrist_turn=None):
    """What VisionProTeleop's package gives: wrists in the world, joints in the wrist's frame."""
    turn = np.eye(3) if wrist_turn is None else wrist_turn
    arrays = {}
    for side, keypoints in hands.items():
        joints = with_metacarpals(keypoints)
        wrist = matrices(joints[:, 0], turn)
        arrays[f"{side}_wrist"] = wrist[:, None]
        arrays[f"{side}_fingers"] = np.linalg.inv(wrist)[:, None] @ matrices(joints)
    arrays["head"] = matrices(np.tile([0.0, -0.3, 1.6], (len(joints), 1)))[:, None]
    return arrays


def write_avp_pickle(path, hands, times=None):
    arrays = avp_arrays(hands)
    frames = [{name: rows[t] for name, rows in arrays.items()} for t in range(len(arrays["head"]))]
    for frame, time in zip(frames, [] if times is None else times, strict=False):
        frame["timestamp"] = float(time)
    path.write_bytes(pickle.dumps(frames))


def write_tracking(path, hands, times):
    """The app's ``tracking.jsonl``; a hand whose keypoints are NaN is null."""
    rows = avp_arrays({side: lying(keypoints) for side, keypoints in hands.items()})
    lines = []
    for t, time in enumerate(times):
        line = {"timestamp": float(time), "headMatrix": rows["head"][t, 0].T.ravel().tolist()}
        for side, keypoints in hands.items():
            joints = dict(zip(avp.JOINTS, rows[f"{side}_fingers"][t], strict=True))
            joints["wrist"] = rows[f"{side}_wrist"][t, 0]
            flat = {name: matrix.T.ravel().tolist() for name, matrix in joints.items()}
            line[f"{side}Hand"] = flat if np.isfinite(keypoints[t]).all() else None
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines) + "\n")


def write_openxr(path, hands, times, shape=lambda joints: joints.tolist()):
    """Frames of left and right joints in a world whose y is up, each hand as `shape` makes it."""
    frames = [{"time": float(time)} for time in times]
    for side, keypoints in hands.items():
        for frame, joints in zip(frames, with_metacarpals(lying(keypoints)), strict=True):
            frame[side] = shape(joints) if np.isfinite(joints).all() else None
    path.write_text(json.dumps({"frames": frames}))


def write_handy(path, side, keypoints, labels):
    """Poses as handy.js keeps them: whole millimetres from the wrist."""
    joints = with_metacarpals(keypoints - keypoints[:, :1])
    poses = [
        {"names": [label, "also"], "handedness": side, "time": 1e12 - i, "jointPositions": row}
        for i, (label, row) in enumerate(zip(labels, (1e3 * joints).round().tolist(), strict=True))
    ]
    path.write_text(json.dumps(poses))


def landmarks(points):
    return [dict(zip("xyz", row, strict=True)) for row in points.tolist()]


def write_mediapipe(path, hands, times):
    """Results of MediaPipe Tasks: landmarks of the hand about its middle."""
    frames = []
    for t, time in enumerate(times):
        seen = {side: points[t] for side, points in hands.items() if np.isfinite(points[t]).all()}
        middled = [points - points.mean(axis=0) for points in seen.values()]
        frames.append(
            {
                "timestamp_ms": 1e3 * float(time),
                "worldLandmarks": [landmarks(points) for points in middled],
                "handednesses": [[{"categoryName": side.capitalize()}] for side in seen],
            }
        )
    path.write_text(json.dumps(frames))


def write_zarr(folder, array, chunks, compress=None):
    """An array of Zarr version 2."""
    folder.mkdir(parents=True)
    (folder.parent / ".zgroup").write_text('{"zarr_format": 2}')
    header = {
        **{"shape": array.shape, "chunks": chunks, "dtype": array.dtype.str, "order": "C"},
        **{"compressor": {"id": "blosc"} if compress else None, "filters": None, "fill_value": 0.0},
    }
    (folder / ".zarray").write_text(json.dumps(header))
    for place in np.ndindex(*(-(-n // c) for n, c in zip(array.shape, chunks, strict=True))):
        part = tuple(slice(i * c, (i + 1) * c) for i, c in zip(place, chunks, strict=True))
        block = np.zeros(chunks, array.dtype)
        block[tuple(slice(n) for n in array[part].shape)] = array[part]
        data = block.tobytes()
        (folder / ".".join(map(str, place))).write_bytes(compress(data) if compress else data)
