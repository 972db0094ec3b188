"""MANO files of the true shapes, made up: a planted skeleton in a cloud of vertices.

Eight vertices lie around each joint, which the regressor averages; five are the finger tips; the
rest lie along the bones.
"""

import pickle
import struct
import sys
import types
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from scipy.sparse import csc_matrix

from retarget.human.keypoints import FROM_MANO
from retarget.human.mano import TIP_VERTICES, rest_skeleton, rest_wrist
from retarget.human.mano_model import PARENTS, ManoModel

AROUND = 8
FLIP = np.array([-1.0, 1.0, 1.0])


def joints():
    """The 16 joints and 5 tips of the right hand in MANO's order [m]."""
    ordered = np.empty((21, 3))
    ordered[list(FROM_MANO)] = rest_skeleton("right") + rest_wrist("right")
    return ordered


def content(side="right", seed=0, published=False):
    """A file's arrays by their official names.

    Args:
        published: of a left hand, with the wrong sign that the published file has.
    """
    rng = np.random.default_rng(seed)
    points = joints()
    owner = np.r_[np.repeat(np.arange(16), AROUND), rng.integers(0, 16, 778 - 16 * AROUND)]
    template = points[owner] + rng.normal(0, 4e-3, (778, 3))
    around = template[: 16 * AROUND].reshape(16, AROUND, 3)
    around += (points[:16] - around.mean(axis=1))[:, None]
    template[list(TIP_VERTICES)] = points[16:]
    owner[list(TIP_VERTICES)] = (15, 3, 6, 12, 9)
    weights = 0.9 * np.eye(16)[owner] + 0.1 * rng.dirichlet(np.ones(16), 778)
    stretch = rng.normal(0, 0.02, (10, 3, 3)) + np.eye(3) * np.r_[0.04, np.zeros(9)][:, None, None]
    shapedirs = np.einsum("bij,vj->vib", stretch, template - template.mean(axis=0))
    posedirs = rng.normal(0, 5e-4, (778, 3, 135))
    components = np.linalg.qr(rng.normal(0, 1, (45, 45)))[0] * np.linspace(1, 0.1, 45)[:, None]
    mean = rng.normal(0, 0.2, 45)
    regressor = csc_matrix(np.repeat(np.eye(16), AROUND, axis=1) / AROUND)
    regressor.resize(16, 778)
    if side == "left":
        template, posedirs = template * FLIP, posedirs * pose_signs() * FLIP[:, None]
        shapedirs = shapedirs if published else shapedirs * FLIP[:, None]
        components, mean = components * np.tile(-FLIP, 15), mean * np.tile(-FLIP, 15)
    parents = np.array(PARENTS, dtype=np.int64) % 2**32
    return {
        "v_template": template,
        "shapedirs": shapedirs,
        "posedirs": posedirs,
        "J_regressor": regressor,
        "weights": weights,
        "f": rng.integers(0, 778, (1538, 3)).astype(np.uint32),
        "hands_components": components,
        "hands_mean": mean,
        "hands_coeffs": rng.normal(0, 1, (20, 45)),
        "kintree_table": np.array([parents, np.arange(16)], dtype=np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def pose_signs():
    """How the entries of the 15 rotation matrices change in the mirror."""
    return np.tile(np.outer(FLIP, FLIP).ravel(), 15)


def model(side="right", seed=0):
    arrays = content(side, seed)
    return ManoModel(
        v_template=arrays["v_template"],
        shapedirs=arrays["shapedirs"],
        posedirs=arrays["posedirs"],
        joint_regressor=arrays["J_regressor"],
        weights=arrays["weights"],
        faces=arrays["f"].astype(np.int64),
        components=arrays["hands_components"],
        mean=arrays["hands_mean"],
        side=side,
    )


class Python2Pickler(pickle._Pickler):
    """Writes strings and bytes as Python 2 did, both as its `str`."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value.encode("latin1") if isinstance(value, str) else bytes(value)
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


@contextmanager
def chumpy():
    """Classes under the names of chumpy's, for as long as they are being pickled."""
    modules = {"chumpy": types.ModuleType("chumpy")}
    for module, name in (("chumpy.ch", "Ch"), ("chumpy.reordering", "Select")):
        kind = type(name, (), {"__module__": module})
        modules[module] = types.ModuleType(module)
        setattr(modules[module], name, kind)
    sys.modules.update(modules)
    try:
        yield modules["chumpy.ch"].Ch, modules["chumpy.reordering"].Select
    finally:
        for module in modules:
            del sys.modules[module]


def save_plain(path, arrays):
    """A pickle of today's numpy and scipy, as conversions of the published ones are."""
    path.write_bytes(pickle.dumps(arrays))


def save_official(path, arrays):
    """A pickle as the published ones are: of Python 2, with the objects of chumpy and scipy."""
    with chumpy() as (ch, select), path.open("wb") as stream:
        inner, chosen, weights = ch(), select(), ch()
        spare = np.concatenate([arrays["shapedirs"], np.ones((778, 3, 5))], axis=2)
        state = {"_dirty_vars": {"x"}, "_itr": None, "_depends_on_deps": {}, "_make_dense": False}
        inner.__dict__.update(state, x=spare)
        weights.__dict__.update(state, x=arrays["weights"])
        idxs = np.arange(spare.size).reshape(spare.shape)[..., :10]
        chosen.__dict__.update(
            state, a=inner, idxs=idxs.ravel(), preferred_shape=idxs.shape, _dirty_vars={"a"}
        )
        Python2Pickler(stream, 2).dump({**arrays, "shapedirs": chosen, "weights": weights})
    data = path.read_bytes().replace(b"cscipy.sparse._csc\n", b"cscipy.sparse.csc\n")
    path.write_bytes(data.replace(b"cnumpy._core.", b"cnumpy.core."))
