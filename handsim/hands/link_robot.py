"""LinkRobot: a URDF robot as joints and link origins, of which no palm or finger is known."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.errors import InputError, MissingFileError, unknown
from handsim.hands.couplings import follow, joint_couplings
from handsim.hands.kinematic_tree import BodyPoint, KinematicTree
from handsim.hands.model_file import compile_model
from handsim.hands.urdf import read_urdf

FLOATING = (
    *(f"dummy_{axis}_translation_joint" for axis in "xyz"),
    *(f"dummy_{axis}_rotation_joint" for axis in "xyz"),
)
"""The joints of a floating base, in order: slides in the world, then x-y-z Euler angles."""
_RANGES = [(-5.0, 5.0)] * 3 + [(-2.0 * np.pi, 2.0 * np.pi)] * 3
_NO_LIMIT = 1e4


class LinkRobot:
    """The kinematics of some of a URDF robot's links; its frame is that of the root link.

    Attributes:
        name: the file's stem.
        joint_names: in qpos order, those of a floating base first.
        limits: joint limits [rad or m].
        neutral: the middle of the limits, couplings applied.
        couplings: dependent joint → (driver, polynomial), each after its driver's own.
        independent_ids: the joints no coupling determines.
        tree: the compiled kinematics; its points are the origins of the links asked for.
    """

    def __init__(
        self,
        path: str | Path,
        links: Sequence[str],
        floating: bool = False,
        mimic: bool = True,
        limited: bool = True,
        held: Mapping[str, float] | None = None,
    ):
        """Read a URDF; meshes are not looked at.

        Args:
            path: the file.
            links: those whose origins are wanted.
            floating: put six joints between world and root link, which `FLOATING` names.
            mimic: keep ``<mimic>`` joints as couplings; else they are free.
            limited: keep the joints' limits; else, and for a joint without, they are ±10⁴.
            held: joints that stay at a value [rad or m].

        Raises:
            MissingFileError: there is no such file.
            FormatError: it is no URDF.
            UnknownNameError: there is no such link or joint.
            InputError: a joint is no hinge or slide.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingFileError(f"No such file: {path}.")
        self.name = path.stem
        self.model = compile_model(path, _skeleton(path, floating, mimic))
        _require_hinges(path, self.model)
        self.joint_names = tuple(self.model.joint(j).name for j in range(self.model.njnt))
        self.couplings = {c.joint: (c.driver, c.polycoef) for c in joint_couplings(self.model)}
        self.independent_ids = np.array(
            [j for j in range(self.model.njnt) if j not in self.couplings], dtype=np.int64
        )
        has_limits = self.model.jnt_limited[:, None] & limited
        self.limits = np.where(has_limits, self.model.jnt_range, (-_NO_LIMIT, _NO_LIMIT))
        for name, value in (held or {}).items():
            self.limits[self.joint_id(name)] = value
        self.neutral = self.expand(self.reduce(self.limits.mean(axis=1)))
        origins = [BodyPoint(_link_id(self.model, name, floating), np.zeros(3)) for name in links]
        self.tree = KinematicTree(self.model, 0, origins, self.couplings)

    @property
    def nq(self) -> int:
        """Number of joints."""
        return self.model.nq

    def joint_id(self, name: str) -> int:
        """The place of a joint in qpos.

        Raises:
            UnknownNameError: there is no such joint.
        """
        if name not in self.joint_names:
            raise unknown("joint", name, self.joint_names)
        return self.joint_names.index(name)

    def expand(self, x: Float[np.ndarray, "... m"]) -> Float[np.ndarray, "... nq"]:
        """The qpos that independent joint values `x` determine, couplings applied."""
        return follow(x, self.independent_ids, self.couplings, self.model.qpos0)

    def reduce(self, qpos: Float[np.ndarray, "... nq"]) -> Float[np.ndarray, "... m"]:
        """The independent joint values in `qpos`."""
        return np.asarray(qpos, dtype=np.float64)[..., self.independent_ids]


def _skeleton(path: Path, floating: bool, mimic: bool) -> mujoco.MjSpec:
    """The bodies and joints of a URDF alone, with a site at the world's origin."""
    spec = read_urdf(path).spec
    for thing in [*spec.geoms, *spec.meshes, *([] if mimic else spec.equalities)]:
        spec.delete(thing)
    _give_mass(spec)
    if floating:
        spec = _floating(spec)
    spec.worldbody.add_site(name="root")
    return spec


def _give_mass(spec: mujoco.MjSpec) -> None:
    """Links without mass of their own are no error: nothing is simulated."""
    spec.compiler.boundmass, spec.compiler.boundinertia = 1e-4, 1e-8


def _floating(robot: mujoco.MjSpec) -> mujoco.MjSpec:
    """The robot on a body that moves in the world by the joints of `FLOATING`."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    _give_mass(spec)
    base = spec.worldbody.add_body(name="floating_base")
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    for i, (name, limits) in enumerate(zip(FLOATING, _RANGES, strict=True)):
        kind = slide if i < 3 else hinge
        axis = np.eye(3)[i % 3]
        base.add_joint(name=name, type=kind, axis=axis, range=limits, limited=True)
    spec.attach(robot, prefix="", frame=base.add_frame())
    return spec


def _require_hinges(path: Path, model: mujoco.MjModel) -> None:
    kinds = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
    for j in range(model.njnt):
        if int(model.jnt_type[j]) not in kinds:
            raise InputError(f"{path}: joint {model.joint(j).name!r} is no hinge or slide.")


def _link_id(model: mujoco.MjModel, name: str, floating: bool) -> int:
    """The body of a link; MuJoCo makes a root link called "world" the world itself."""
    if name == "world":
        return int(floating)
    names = [model.body(i).name for i in range(1, model.nbody)]
    if name not in names:
        raise unknown("link", name, names)
    return 1 + names.index(name)
