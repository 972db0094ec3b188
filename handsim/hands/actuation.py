"""One rule for every hand's actuators: the gains and force limits baked into the MJCF files.

A position actuator on joint ``j`` is a critically damped spring of bandwidth ``f`` on what the
joint moves,

    kp = I_j ω²,   kv = 2 ζ I_j ω,   ω = 2πf,   I_j = max over poses of (Jᵀ M J)_jj,

with ``M`` the joint-space inertia (armature included) and ``J`` the identity whose column ``j``
also holds the slopes ∂q_f/∂q_j of the joints ``f`` that follow ``j`` by a joint equality. The poses
are the neutral one and a fixed random sample of the joint box. An actuator whose length changes by
``L`` per radian of its joint (a tendon over several joints) sees I_j / L².

Followers no actuator reaches are damped where they are, 2ζω M_ff, and their driver's actuator only
for the driver's own M_jj: damping the whole chain at the driver would strain the equality at every
step. The force limit is what holds a given force at the fingertip, in the worst direction.
"""

from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float, Int

from handsim.hands.couplings import joint_couplings

BANDWIDTH_HZ = 25.0
DAMPING_RATIO = 1.0
TIP_FORCE = 20.0
"""Force each finger can hold at its tip [N]."""

_RANDOM_POSES = 16


class Gains(NamedTuple):
    """What `position_gains` returns.

    Attributes:
        kp: stiffness of each actuator [N m/rad, or N/m on a length].
        kv: damping of each actuator [N m s/rad].
        damping: joint damping of each degree of freedom, nonzero on followers only [N m s/rad].
    """

    kp: Float[np.ndarray, " nu"]
    kv: Float[np.ndarray, " nu"]
    damping: Float[np.ndarray, " nv"]


def sample_poses(
    model: mujoco.MjModel, count: int = _RANDOM_POSES, seed: int = 0
) -> Float[np.ndarray, "poses nq"]:
    """The neutral pose, then `count` random ones in the joint box, couplings applied [rad]."""
    low, high = model.jnt_range.T
    draws = np.random.default_rng(seed).uniform(low, high, size=(count, model.nq))
    poses = np.vstack([np.clip(0.0, low, high), draws])
    for joint, driver, polycoef in joint_couplings(model):
        poses[:, joint] = np.polynomial.polynomial.polyval(poses[:, driver], polycoef)
    return poses


def coupling_matrix(
    model: mujoco.MjModel, qpos: Float[np.ndarray, " nq"]
) -> Float[np.ndarray, "nv nv"]:
    """The identity, with ∂q_f/∂q_j of each follower ``f`` in the column of its driver ``j``."""
    matrix = np.eye(model.nv)
    columns = np.eye(model.nv)
    for joint, driver, polycoef in joint_couplings(model):
        slope = np.polynomial.polynomial.polyval(
            qpos[driver], np.polynomial.polynomial.polyder(polycoef)
        )
        columns[joint] = slope * columns[driver]
        matrix[joint] += columns[joint]
    return matrix


def reflected_inertia(model: mujoco.MjModel) -> Float[np.ndarray, " nv"]:
    """Largest inertia each joint moves over the sampled poses, followers included [kg m²]."""
    return np.max(
        [np.einsum("ij,ik,kj->j", J, M, J) for J, M in _coupled_inertias(model)],
        axis=0,
    )


def own_inertia(model: mujoco.MjModel) -> Float[np.ndarray, " nv"]:
    """Largest inertia each joint moves over the sampled poses, followers held [kg m²]."""
    return np.max([np.diag(M) for _, M in _coupled_inertias(model)], axis=0)


def position_gains(
    model: mujoco.MjModel,
    bandwidth_hz: float = BANDWIDTH_HZ,
    damping_ratio: float = DAMPING_RATIO,
) -> Gains:
    """Stiffness and damping of every actuator, and the damping of undriven followers.

    Args:
        model: a hand alone, standing on its root; every actuator moves one independent joint
            (with its followers), directly or by a fixed tendon. Gains in it are not read.
        bandwidth_hz: f of the rule [Hz].
        damping_ratio: ζ of the rule.
    """
    omega = 2 * np.pi * bandwidth_hz
    reflected, own = reflected_inertia(model), own_inertia(model)
    joints, lengths, driven = _transmission(model)
    damping = np.zeros(model.nv)
    damped = reflected.copy()
    for joint, driver, _ in joint_couplings(model):
        if not driven[joint]:
            damping[joint] = 2 * damping_ratio * omega * own[joint]
            damped[driver] = own[driver]
    kp = reflected[joints] / lengths**2 * omega**2
    kv = 2 * damping_ratio * omega * damped[joints] / lengths**2
    return Gains(kp, kv, damping)


def force_limits(model: mujoco.MjModel, tip_force: float = TIP_FORCE) -> Float[np.ndarray, " nu"]:
    """Actuator force that holds `tip_force` at the tip with the longest lever [N m, or N].

    The lever of a joint is the largest ‖∂tip/∂q_j‖, followers moving along, over the sampled poses
    and the fingertips the joint moves.
    """
    joints, lengths, _ = _transmission(model)
    levers = _tip_levers(model)
    return tip_force * levers[joints] / lengths


def _coupled_inertias(model: mujoco.MjModel) -> list[tuple[np.ndarray, np.ndarray]]:
    """(coupling matrix, joint-space inertia) at each sampled pose."""
    data = mujoco.MjData(model)
    pairs = []
    for qpos in sample_poses(model):
        data.qpos[:] = qpos
        mujoco.mj_fwdPosition(model, data)
        inertia = np.empty((model.nv, model.nv))
        mujoco.mj_fullM(model, data, inertia)
        pairs.append((coupling_matrix(model, qpos), inertia))
    return pairs


def _transmission(
    model: mujoco.MjModel,
) -> tuple[Int[np.ndarray, " nu"], Float[np.ndarray, " nu"], np.ndarray]:
    """For each actuator its independent joint and |∂length/∂q| there; and which joints are driven.

    Constant over poses for joints and fixed tendons with linear couplings.
    """
    data = mujoco.MjData(model)
    qpos = sample_poses(model, count=0)[0]
    data.qpos[:] = qpos
    mujoco.mj_fwdPosition(model, data)
    moment = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(
        moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
    )
    lengths = np.abs(moment @ coupling_matrix(model, qpos))
    lengths[:, [c.joint for c in joint_couplings(model)]] = 0.0
    joints = lengths.argmax(axis=1)
    return joints, lengths[np.arange(model.nu), joints], (moment != 0).any(axis=0)


def _tip_levers(model: mujoco.MjModel) -> Float[np.ndarray, " nv"]:
    """Longest lever of each joint on a fingertip over the sampled poses, in m."""
    data = mujoco.MjData(model)
    tips = [i for i in range(model.nsite) if model.site(i).name.endswith("_tip")]
    levers = np.zeros(model.nv)
    jacobian = np.empty((3, model.nv))
    for qpos in sample_poses(model):
        data.qpos[:] = qpos
        mujoco.mj_fwdPosition(model, data)
        couplings = coupling_matrix(model, qpos)
        for tip in tips:
            mujoco.mj_jacSite(model, data, jacobian, None, tip)
            levers = np.maximum(levers, np.linalg.norm(jacobian @ couplings, axis=0))
    return levers
