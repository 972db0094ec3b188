"""OSMO trials written for a test: the planted person, with a glove, pictures and a robot."""

import pickle
import struct

import numpy as np

from tests.retarget.human import glove, planted

SKIPPED, LEFT_OUT = 38, 88
FRAMES = 12
PICTURES = FRAMES + LEFT_OUT
HEIGHT, WIDTH = 720, 1280
DEPTH = 0.07
"""What stereo adds to HaMeR's depth [m]."""


def keypoints(frames=FRAMES):
    """The person in the camera's frame (frames, 21, 3) [m]."""
    return planted.keypoints("right", frames)


def processed(frames=FRAMES, unseen=(), **changes):
    """The content of processed.pkl but for its pictures."""
    seen = keypoints(frames)
    guessed = seen - [0, 0, DEPTH]
    wrist = np.tile(np.eye(4), (frames, 1, 1))
    wrist[:, :3, 3] = seen[:, 0]
    lists = {
        "pred_keypoints_2d": list(np.random.default_rng(0).uniform(0, 700, (frames, 21, 2))),
        "pred_keypoints_3d": list(seen),
        "uncorrected_keypoints": list(guessed),
        "wrist": list(wrist),
    }
    for i in unseen:
        for rows in lists.values():
            rows[i] = None
    content = {"fs_depth": None, "crop_info": None, **lists}
    content["glove"] = glove.counts(frames + LEFT_OUT).astype(object)
    return {key: value for key, value in (content | changes).items() if value is not ...}


def write(folder, frames=FRAMES, unseen=(), pictures=True, mags="(N, 2) of 30", **changes):
    """A trial folder; `mags` is the layout of the aligned magnetometers, None for none."""
    folder.mkdir(exist_ok=True)
    content = processed(frames, unseen, **changes)
    shape = (frames + LEFT_OUT, HEIGHT, WIDTH, 3)
    with (folder / "processed.pkl").open("wb") as stream:
        write_with_pictures(stream, content, shape if pictures else None)
    if mags is not None:
        rows = glove.LAYOUTS[mags](glove.counts(frames + LEFT_OUT))
        (folder / "synced_mags_aligned.pkl").write_bytes(pickle.dumps(rows))
    return folder


def write_with_pictures(stream, content, shape):
    """A pickled dict, and in it black pictures that are a hole in the file, not on the disk."""
    stream.write(b"\x80\x04}(")
    for key, value in content.items():
        for part in (key, value):
            stream.write(pickle.dumps(part, 3)[2:-1])
    if shape is not None:
        count = int(np.prod(shape))
        array = pickle.dumps(np.zeros(1, np.uint8), 3)[2:-1]
        sizes = b"".join(b"J" + struct.pack("<i", size) for size in shape)
        array = array.replace(b"K\x01K\x01\x85", b"K\x01(" + sizes + b"t")
        before, after = array.split(b"C\x01\x00")
        stream.write(pickle.dumps("rs_color", 3)[2:-1] + before)
        stream.write(b"\x8e" + struct.pack("<Q", count))
        stream.seek(count, 1)
        stream.write(after)
    stream.write(b"u.")
