"""A worker whose "video" is an array of keypoints (T, H, 21, 3) of H hands, NaN where unseen, and
whose "pictures" are one (H, 21, 3) each.

The first hand is a right one, the second a left one; 100 px are 10 cm. FAKE_FAULT misbehaves.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

FAULT = os.environ.get("FAKE_FAULT", "")


def say(**values):
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def rows(frames, first):
    """The hands in `frames`, the first of which is frame `first`."""
    frame, hand = np.nonzero(np.isfinite(frames).all(axis=(2, 3)))
    points = frames[frame, hand]
    pixels = 400 + 300 * hand[:, None, None] + 1000 * points[..., :2]
    return {
        "frame": frame + first,
        "right": hand == 0,
        "score": np.full(len(frame), 0.9, dtype=np.float32),
        "box": np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        "keypoints_2d": pixels,
        "keypoints_3d": points,
        "further": np.arange(len(frame)),
    }


def damage(columns, k):
    """One thing wrong with the second chunk."""
    if k != 1:
        return columns
    if FAULT == "lacks a column":
        del columns["score"]
    elif FAULT == "shape":
        columns["box"] = columns["box"][:, :3]
    elif FAULT == "length":
        columns["score"] = columns["score"][:-1]
    elif FAULT == "frames of another chunk":
        columns["frame"] = columns["frame"] + 1000
    elif FAULT == "other columns":
        columns["more"] = columns.pop("further")
    return columns


def work(folder):
    job = json.loads((folder / "job.json").read_text())
    pictures = [np.load(path) for path in job["images"] or []]
    video = np.stack(pictures) if pictures else np.load(job["video"])
    sys.stdout.write("a library says hello\n[1, 2]\n")
    sys.stderr.write("loading\nweights are missing\n")
    if FAULT == "refuses":
        say(error="no weights in /nowhere, expected a checkpoint")
        return 1
    if FAULT == "crashes":
        raise RuntimeError("out of memory")
    size = job["chunk"]
    for k, first in enumerate(range(0, len(video), size)):
        path = folder / f"chunk-{k:06d}.npz"
        if f"dies at {k}" == FAULT:
            (folder / f"chunk-{k:06d}.npz.1.part").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        if not path.exists():
            part = path.with_name(path.name + ".part")
            with part.open("wb") as stream:
                np.savez(stream, **damage(rows(video[first : first + size], first), k))
            os.replace(part, path)
        say(done=min(first + size, len(video)), total=len(video))
    times = None if pictures else (np.arange(len(video)) / 25).tolist()
    meta = {"frames": len(video), "times": times, "tips": "fake"}
    meta |= {"frames": "some"} if FAULT == "meta" else {}
    (folder / "meta.json").write_text(json.dumps(meta))
    return 0


def stream(source, options):
    """The right hand of each frame, as if it had just been captured."""
    assert options == {}
    for frame in np.load(source):
        hands = [
            {"right": hand == 0, "score": 0.9, "keypoints": points.tolist()}
            for hand, points in enumerate(frame)
            if np.isfinite(points).all()
        ]
        say(captured=time.monotonic(), hands=hands)
        time.sleep(0.002)
    if FAULT == "refuses":
        say(error="the camera was unplugged")
        return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--stream":
        sys.exit(stream(**json.loads(sys.argv[2])))
    sys.exit(work(Path(sys.argv[1])))
