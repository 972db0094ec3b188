"""Actuators, damping and contact pairs for a model that came without them.

Gains and force limits are those of `actuation`'s rule. Actuators that are there stay when they hold
positions; motors that give forces are replaced, since a pose must be something one can command.
"""

import mujoco
import numpy as np
from jaxtyping import Bool

from handsim.hands import actuation
from handsim.hands.couplings import joint_couplings

ARMATURE = 1e-4
"""Rotor inertia of a joint that has none [kg m²]."""
_TIMESTEP = 1 / 480
_NEAR = 2
"""Links at most so many joints apart do not collide."""


def add_drives(spec: mujoco.MjSpec) -> list[str]:
    """Give every independent joint that no position actuator moves one; their joints' names.

    Joints get the armature if they have none. Those that get an actuator lose their friction and
    damping, which it has itself; followers are damped where they are, and their equalities stiff.
    The canonical tip sites must be in the spec: force limits are what holds a force there, and a
    joint that moves none of them has no limit.
    """
    for actuator in [a for a in spec.actuators if not _holds_position(a)]:
        spec.delete(actuator)
    _name_actuators(spec)
    joints = _undriven(spec.compile())
    handles = {joint.name: joint for joint in spec.joints}
    for joint in handles.values():
        joint.armature = max(joint.armature, ARMATURE)
    if not joints:
        return []
    for name in joints:
        handles[name].damping, handles[name].frictionloss = [0.0] * 3, 0.0
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=1.0)
        actuator.inheritrange = 1.0
    _stiffen_couplings(spec, handles)
    _set_gains(spec, joints, handles)
    return joints


def shared_drives(model: mujoco.MjModel) -> list[tuple[str, ...]]:
    """The joints of each actuator that moves several independent ones, whose split is left open."""
    return [
        tuple(model.joint(j).name for j in np.flatnonzero(row))
        for row in _moved(model)
        if row.sum() > 1
    ]


def exclude_neighbours(spec: mujoco.MjSpec) -> None:
    """Exclude from contact the links that touch by construction.

    These are pairs at most two joints apart, and pairs that overlap at the neutral pose.
    """
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:] = actuation.sample_poses(model, count=0)[0]
    mujoco.mj_forward(model, data)
    pairs = {_bodies(model, contact) for contact in data.contact if contact.dist < 0}
    solid = [b for b in range(1, model.nbody) if _solid(model, b)]
    pairs |= {
        (a, b) for a in solid for b in solid if a < b and _joints_between(model, a, b) <= _NEAR
    }
    known = {frozenset((e.bodyname1, e.bodyname2)) for e in spec.excludes}
    for a, b in sorted(pairs):
        names = model.body(a).name, model.body(b).name
        if frozenset(names) not in known:
            spec.add_exclude(bodyname1=names[0], bodyname2=names[1])


def _holds_position(actuator: mujoco.MjsActuator) -> bool:
    """Whether the actuator's force is zero at a length equal to its control."""
    gain, bias = actuator.gainprm[0], actuator.biasprm
    affine = int(actuator.biastype) == int(mujoco.mjtBias.mjBIAS_AFFINE)
    kinds = (int(mujoco.mjtTrn.mjTRN_JOINT), int(mujoco.mjtTrn.mjTRN_TENDON))
    return bool(
        affine and int(actuator.trntype) in kinds and gain > 0 and bias[0] == 0 and bias[1] == -gain
    )


def _name_actuators(spec: mujoco.MjSpec) -> None:
    for i, actuator in enumerate(spec.actuators):
        if not actuator.name:
            actuator.name = f"{actuator.target}_drive_{i}"


def _undriven(model: mujoco.MjModel) -> list[str]:
    """Independent joints that no actuator moves."""
    moved = np.atleast_1d(_moved(model).any(axis=0))
    followers = {c.joint for c in joint_couplings(model)}
    return [model.joint(j).name for j in range(model.njnt) if not moved[j] and j not in followers]


def _moved(model: mujoco.MjModel) -> Bool[np.ndarray, "nu nv"]:
    """Which joints each actuator moves, followers counted to their drivers."""
    data = mujoco.MjData(model)
    data.qpos[:] = actuation.sample_poses(model, count=0)[0]
    mujoco.mj_fwdPosition(model, data)
    moment = np.zeros((model.nu, model.nv))
    if model.nu:
        mujoco.mju_sparse2dense(
            moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
        )
    moved = moment @ actuation.coupling_matrix(model, data.qpos) != 0
    moved[:, [c.joint for c in joint_couplings(model)]] = False
    return moved


def _stiffen_couplings(spec: mujoco.MjSpec, handles: dict[str, mujoco.MjsJoint]) -> None:
    for equality in spec.equalities:
        if int(equality.type) == int(mujoco.mjtEq.mjEQ_JOINT) and equality.name1 in handles:
            equality.solref = [2 * _TIMESTEP, 1.0]
            equality.solimp = [0.99, 0.999, 0.001, 0.5, 2.0]
            follower = handles[equality.name1]
            follower.damping, follower.frictionloss = [0.0] * 3, 0.0


def _set_gains(spec: mujoco.MjSpec, joints: list[str], handles: dict[str, mujoco.MjsJoint]) -> None:
    model = spec.compile()
    gains, limits = actuation.position_gains(model), actuation.force_limits(model)
    for actuator in spec.actuators:
        if actuator.name in joints:
            i = model.actuator(actuator.name).id
            actuator.set_to_position(kp=float(gains.kp[i]), kv=float(gains.kv[i]))
            if limits[i] > 0:
                actuator.forcerange, actuator.forcelimited = [-limits[i], limits[i]], 1
    for j, damping in enumerate(gains.damping):
        if damping:
            handles[model.joint(j).name].damping = [damping, 0.0, 0.0]


def _bodies(model: mujoco.MjModel, contact: mujoco.MjContact) -> tuple[int, int]:
    first, second = sorted(int(model.geom_bodyid[g]) for g in contact.geom)
    return first, second


def _solid(model: mujoco.MjModel, body: int) -> bool:
    first = int(model.body_geomadr[body])
    return any(
        model.geom_contype[g] or model.geom_conaffinity[g]
        for g in range(first, first + int(model.body_geomnum[body]))
    )


def _joints_between(model: mujoco.MjModel, a: int, b: int) -> int:
    """How many moving links lie between two bodies, up to their common ancestor and down."""
    above_a, above_b = _moving_above(model, a), _moving_above(model, b)
    return len(above_a ^ above_b)


def _moving_above(model: mujoco.MjModel, body: int) -> set[int]:
    found = set()
    while body:
        if model.body_jntnum[body]:
            found.add(body)
        body = int(model.body_parentid[body])
    return found
