"""How a hand's joints hang together: the joint equalities of its MuJoCo model."""

from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float, Int


class Coupling(NamedTuple):
    """A joint equality: `joint` follows `driver` by a polynomial (constant term first)."""

    joint: int
    driver: int
    polycoef: Float[np.ndarray, " 5"]


def joint_couplings(model: mujoco.MjModel) -> list[Coupling]:
    """The joint equalities of a hand, each after the one that moves its driver."""
    joint_equality = int(mujoco.mjtEq.mjEQ_JOINT)
    found = {
        int(model.eq_obj1id[i]): Coupling(
            int(model.eq_obj1id[i]), int(model.eq_obj2id[i]), model.eq_data[i, :5].copy()
        )
        for i in range(model.neq)
        if int(model.eq_type[i]) == joint_equality
        and model.eq_active0[i]
        and model.eq_obj2id[i] >= 0
    }

    def depth(joint: int) -> int:
        return 0 if joint not in found else 1 + depth(found[joint].driver)

    return [found[joint] for joint in sorted(found, key=depth)]


def spools(model: mujoco.MjModel) -> list[int]:
    """Joints that move followers and nothing else: motors' spools, whose bodies carry nothing."""
    carrying = {*model.geom_bodyid, *model.site_bodyid, *model.body_parentid}
    drivers = sorted({c.driver for c in joint_couplings(model)})
    return [j for j in drivers if model.jnt_bodyid[j] not in carrying]


def follow(
    x: Float[np.ndarray, "... m"],
    independent: Int[np.ndarray, " m"],
    couplings: dict[int, tuple[int, Float[np.ndarray, " 5"]]],
    qpos0: Float[np.ndarray, " nq"],
) -> Float[np.ndarray, "... nq"]:
    """The qpos that independent joint values determine [rad].

    Args:
        x: values of the independent joints.
        independent: their places in qpos.
        couplings: dependent joint → (driver, polynomial), each after its driver's own.
        qpos0: the model's reference configuration, which the polynomials are about.
    """
    x = np.asarray(x, dtype=np.float64)
    qpos = np.zeros((*x.shape[:-1], len(qpos0)))
    qpos[..., independent] = x
    for joint, (driver, polycoef) in couplings.items():
        value = np.polynomial.polynomial.polyval(qpos[..., driver] - qpos0[driver], polycoef)
        qpos[..., joint] = qpos0[joint] + value
    return qpos
