"""dex-retargeting on one hand and motion, as it is shipped, in a process of its own.

    python dex_runner.py JOB.npz RESULT.npz

It needs dex-retargeting and numpy only, so it can run in an environment of its own. The job holds
`urdf` (folder of dex-urdf's hands), `hand` (dex-retargeting's name), `side`, `method` and
`keypoints` (T, 21, 3), in the wrist frame that dex-retargeting's own detector makes. The result
holds `joint_names`, `qpos` (T, n) as the optimiser found them, `filtered` (T, n) after the
configuration's low-pass filter, `solved` (T,), `seconds` (T,), and for checks of kinematics
`poses` (K, n) with the fingertips' positions `tips` (K, F, 3) from the wrist's link, in the axes
of the URDF's root, as the optimisers take them.
"""

import contextlib
import os
import sys
from time import perf_counter
from typing import Any

import numpy as np
from dex_retargeting.constants import HandType, RetargetingType, RobotName, get_default_config_path
from dex_retargeting.optimizer_utils import LPFilter
from dex_retargeting.retargeting_config import RetargetingConfig

POSES = 50


class Watched:
    """An nlopt optimiser that remembers whether its last solve failed."""

    def __init__(self, inner: Any):
        self.inner, self.failed = inner, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def optimize(self, x: np.ndarray) -> np.ndarray:
        """As nlopt's; dex-retargeting catches what it raises."""
        self.failed = True
        found: np.ndarray = self.inner.optimize(x)
        self.failed = False
        return found


def solve(retargeting: Any, alpha: float, keypoints: np.ndarray) -> dict[str, np.ndarray]:
    """The motion's frames in order, each warm started by the one before."""
    optimizer = retargeting.optimizer
    optimizer.opt = Watched(optimizer.opt)
    retargeting.filter = None
    low_pass = LPFilter(alpha)
    fixed = np.zeros(len(optimizer.idx_pin2fixed))
    rows: dict[str, list] = {name: [] for name in ("qpos", "filtered", "solved", "seconds")}
    for frame in keypoints:
        reference = _reference(optimizer, frame)
        began = perf_counter()
        qpos = retargeting.retarget(reference, fixed)
        rows["seconds"].append(perf_counter() - began)
        rows["qpos"].append(qpos)
        rows["filtered"].append(low_pass.next(qpos))
        rows["solved"].append(not optimizer.opt.failed)
    return {name: np.array(values) for name, values in rows.items()}


def _reference(optimizer: Any, frame: np.ndarray) -> np.ndarray:
    """What dex-retargeting's examples pass: positions, or vectors from origin to task."""
    indices = optimizer.target_link_human_indices
    if optimizer.retargeting_type == "POSITION":
        return frame[indices]
    return frame[indices[1]] - frame[indices[0]]


def check(retargeting: Any, tips: list[str], wrist: str) -> dict[str, np.ndarray]:
    """Random poses, a floating base at rest, with their fingertips."""
    robot, adaptor = retargeting.optimizer.robot, retargeting.optimizer.adaptor
    low, high = robot.joint_limits.T
    poses = np.random.default_rng(0).uniform(low, high, size=(POSES, len(low)))
    poses[:, [name.startswith("dummy") for name in robot.dof_joint_names]] = 0.0
    found = []
    for pose in poses:
        if adaptor is not None:
            pose[:] = adaptor.forward_qpos(pose)
        robot.compute_forward_kinematics(pose)
        origin, *ends = (
            robot.get_link_pose(robot.get_link_index(n))[:3, 3] for n in (wrist, *tips)
        )
        found.append([end - origin for end in ends])
    return {"poses": poses, "tips": np.array(found)}


def main(job: str, result: str) -> None:
    """Run one job."""
    with np.load(job) as given:
        urdf, hand, side, method = (str(given[k]) for k in ("urdf", "hand", "side", "method"))
        keypoints = given["keypoints"]
    RetargetingConfig.set_default_urdf_dir(urdf)
    robot, hand_side = RobotName[hand], HandType[side]
    path = get_default_config_path(robot, RetargetingType[method], hand_side)
    config = RetargetingConfig.load_from_file(path)
    dexpilot = get_default_config_path(robot, RetargetingType.dexpilot, hand_side)
    names = RetargetingConfig.load_from_file(dexpilot)
    alpha = config.low_pass_alpha
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        retargeting = config.build()
        checked = check(retargeting, names.finger_tip_link_names, names.wrist_link_name)
        solved = solve(retargeting, alpha, keypoints)
    found = {"joint_names": np.array(retargeting.joint_names)} | solved | checked
    np.savez(result, allow_pickle=False, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
