"""Every hand's MJCF against its figures, the conventions of its frames and its physics."""

from functools import cache

import mujoco
import numpy as np
import pytest

import handsim
from handsim.assets import ASSETS, read_toml
from handsim.hands import actuation
from handsim.hands.couplings import joint_couplings, spools

NAMES = handsim.hand_names()
SIDES = ("right", "left")
EVERY = [(name, side) for name in NAMES for side in SIDES]
MIRROR = np.diag([1.0, -1.0, 1.0])
TIMESTEP = 1 / 480
AERO_TOP, AERO_TURN = 1.5708, 3.1416
"""Where mcp, pip and dip of a finger of the Aero hand end, and the spool that moves them [rad]."""

each_hand = pytest.mark.parametrize(("name", "side"), EVERY)


@cache
def card(name):
    return read_toml(ASSETS / "hands" / name / "hand.toml")


@cache
def compiled(name, side):
    model = mujoco.MjModel.from_xml_path(str(ASSETS / "hands" / name / f"{side}.xml"))
    model.opt.timestep = TIMESTEP
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    return model


@cache
def figures(shared, name):
    yaml = pytest.importorskip("yaml")
    text = (shared / "hands" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def side_figures(shared, name, side):
    sides = figures(shared, name)["sides"]
    if side not in sides:
        pytest.skip(f"the figures of {name} have no {side} side")
    return sides[side]


def coupled(model, qpos):
    """`qpos` with every follower on its polynomial."""
    qpos = np.array(qpos)
    for joint, driver, polycoef in joint_couplings(model):
        qpos[joint] = np.polynomial.polynomial.polyval(qpos[driver], polycoef)
    return qpos


def random_poses(model, count, seed=0):
    """Coupled configurations inside the limits, followers' limits included."""
    rng = np.random.default_rng(seed)
    low, high = model.jnt_range.T
    poses = []
    while len(poses) < count:
        qpos = coupled(model, rng.uniform(low, high))
        if np.all((qpos >= low - 1e-9) & (qpos <= high + 1e-9)):
            poses.append(qpos)
    return poses


def placed(model, qpos):
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_fwdPosition(model, data)
    return data


def at_neutral(model):
    return placed(model, actuation.sample_poses(model, count=0)[0])


def in_palm(data, site):
    """Place (3,) and axes (3, 3) of a site in the palm frame."""
    palm, point = data.site("palm"), data.site(site)
    rotation = palm.xmat.reshape(3, 3).T
    return rotation @ (point.xpos - palm.xpos), rotation @ point.xmat.reshape(3, 3)


# ---- kinematics


def rotations(axis, angles):
    """Rodrigues' formula: rotations (n, 3, 3) about a unit axis."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sin, cos = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    return np.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


def quaternion_matrix(quat):
    matrix = np.empty(9)
    quat = np.array(quat, dtype=float)
    mujoco.mju_quat2Mat(matrix, quat / np.linalg.norm(quat))
    return matrix.reshape(3, 3)


def reference_tips(side, qpos):
    """{finger: (n, 3)} in the palm body's frame from the bodies and joints of the figures."""
    count = len(next(iter(qpos.values())))
    placed = {None: (np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3)))}
    for body in side["bodies"]:
        rotation, place = placed[body["parent"]]
        place = place + rotation @ np.array(body["pos"], dtype=float)
        rotation = rotation @ quaternion_matrix(body["quat"])
        for joint in body.get("joints") or []:
            axis = np.array(joint["axis"], dtype=float)
            turn = rotations(axis / np.linalg.norm(axis), qpos[joint["name"]])
            anchor = np.array(joint["pos"], dtype=float)
            place = place + np.einsum("nij,nj->ni", rotation, anchor - turn @ anchor)
            rotation = rotation @ turn
        placed[body["name"]] = rotation, place
    frames = {frame["name"]: frame for frame in side["frames"]}
    rotation, origin = placed[side["palm_body"]]
    tips = {}
    for finger, chain in side["fingers"].items():
        frame = frames[chain["tip_frame"]]
        body_rotation, place = placed[frame["body"]]
        tip = place + body_rotation @ np.array(frame["pos"], dtype=float)
        tips[finger] = np.einsum("nji,nj->ni", rotation, tip - origin)
    return tips


@each_hand
def test_tips_are_where_the_figures_put_them(shared, name, side):
    model, reference = compiled(name, side), side_figures(shared, name, side)
    rng = np.random.default_rng(7)
    qpos = rng.uniform(*model.jnt_range.T, size=(1000, model.nq))
    joints = [model.joint(j).name for j in range(model.njnt)]
    expected = reference_tips(reference, dict(zip(joints, qpos.T, strict=True)))
    data = mujoco.MjData(model)
    palm = data.body(reference["palm_body"])
    found = {finger: [] for finger in expected}
    for row in qpos:
        data.qpos[:] = row
        mujoco.mj_kinematics(model, data)
        for finger, tips in found.items():
            tip = data.site(f"{finger}_tip").xpos
            tips.append(palm.xmat.reshape(3, 3).T @ (tip - palm.xpos))
    for finger, tips in found.items():
        assert np.abs(np.array(tips) - expected[finger]).max() < 1e-6


@each_hand
def test_joints_and_bodies_are_those_of_the_figures(shared, name, side):
    model, reference = compiled(name, side), side_figures(shared, name, side)
    joints = [model.joint(j).name for j in range(model.njnt) if j not in spools(model)]
    assert joints == [j for j in reference["joint_order"]]
    assert len(spools(model)) == (4 if name == "aero" else 0)
    moved = {b["name"] for b in reference["bodies"] if b.get("joints")}
    assert moved <= {model.body(b).name for b in range(model.nbody)}
    assert model.body(1).name == reference["root_body"]


@each_hand
def test_total_mass_is_that_of_the_figures(shared, name, side):
    if card(name)["mass"] != "source":
        pytest.skip("the source gives no complete masses; hand.toml says so")
    bodies = side_figures(shared, name, side)["bodies"]
    expected = sum(b["inertial"]["mass"] for b in bodies if b.get("inertial"))
    assert compiled(name, side).body_subtreemass[0] == pytest.approx(expected, rel=0.05)


@each_hand
def test_every_joint_has_a_range_that_holds_the_neutral_pose(name, side):
    model = compiled(name, side)
    assert model.jnt_limited.all()
    low, high = model.jnt_range.T
    assert np.isfinite(model.jnt_range).all()
    assert (low < high).all()
    neutral = actuation.sample_poses(model, count=0)[0]
    assert (neutral >= low).all()
    assert (neutral <= high).all()


# ---- couplings


@each_hand
def test_followers_can_follow(name, side):
    """A follower's range holds the polynomial's image, and nothing but the equality drives it."""
    model = compiled(name, side)
    for joint, driver, polycoef in joint_couplings(model):
        path = np.linspace(*model.jnt_range[driver], 1001)
        image = np.polynomial.polynomial.polyval(path, polycoef)
        low, high = model.jnt_range[joint]
        assert low <= image.min() <= image.max() <= high


@each_hand
def test_each_independent_joint_has_one_actuator(name, side):
    model = compiled(name, side)
    data = at_neutral(model)
    moment = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(
        moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind
    )
    followers = [c.joint for c in joint_couplings(model)]
    driven = np.delete(moment != 0, followers, axis=1)
    assert (driven.sum(axis=0) == 1).all()
    assert (driven.sum(axis=1) == 1).all()


@each_hand
def test_couplings_are_those_of_the_figures(shared, name, side):
    model, reference = compiled(name, side), side_figures(shared, name, side)
    found = {
        model.joint(c.joint).name: (model.joint(c.driver).name, c.polycoef)
        for c in joint_couplings(model)
    }
    expected = {}
    for coupling in reference["couplings"]:
        if coupling["type"] == "joint":
            joint = coupling["joint"]
            corrected = card(name).get("corrected_couplings", {})
            expected[joint] = coupling["driver"], corrected.get(joint, coupling["polycoef"])
    if name == "shadow":
        k = f"{side[0]}h_"
        expected = {f"{k}{f}J1": (f"{k}{f}J2", [0, 1]) for f in ("FF", "MF", "RF", "LF")}
        assert model.ntendon == 4
    if name == "ability":
        four_bar = figures(shared, name)["coupling_profiles"]["exact_four_bar"]
        quartic = four_bar["quartic_fit_0_to_1p74"]["polycoef"]
        fingers = ("index", "middle", "ring", "pinky")
        expected = {f"{f}_pip": (f"{f}_mcp", quartic) for f in fingers}
    if name == "aero":
        for k in (f"{side}_{f}" for f in ("index", "middle", "ring", "pinky")):
            knuckle, outer = aero_quartics()
            expected[f"{k}_mcp_flex"] = f"{k}_spool", knuckle
            expected[f"{k}_dip"] = f"{k}_spool", outer
    assert found.keys() == expected.keys()
    for joint, (driver, polycoef) in expected.items():
        assert found[joint][0] == driver
        padded = np.zeros(5)
        padded[: len(polycoef)] = polycoef
        np.testing.assert_allclose(found[joint][1], padded, atol=1e-6)


def aero_quartics():
    """Of the knuckle and the outer joints, as hand.toml states them: (5,) each, in spool angles."""
    outer = np.array([0, 0, 3, -16, 24]) / 11
    backwards = np.polynomial.Polynomial(outer)(np.polynomial.Polynomial([1, -1])).coef
    scale = AERO_TOP / AERO_TURN ** np.arange(5)
    return scale * ([1, 0, 0, 0, 0] - backwards), scale * outer


@pytest.mark.parametrize("side", SIDES)
def test_aeros_fingers_close_as_their_tendons_close_them(shared, side):
    """Within 0.036 rad of mcp closing alone, then pip = dip; by the maker's seven motors."""
    model, reference = compiled("aero", side), side_figures(shared, "aero", side)
    motors = [actuator["name"] for actuator in reference["actuators"]]
    assert [model.actuator(i).name for i in range(model.nu)] == motors
    for finger in ("index", "middle", "ring", "pinky"):
        mcp, pip, dip = (
            model.joint(joint).qposadr[0] for joint in reference["fingers"][finger]["joints"]
        )
        spool = model.joint(f"{side}_{finger}_spool")
        assert model.actuator(f"{side}_{finger}_A_tendon").trnid[0] == spool.id
        closing = np.zeros((1001, model.nq))
        closing[:, spool.qposadr[0]] = np.linspace(*spool.range, 1001)
        path = np.array([coupled(model, qpos) for qpos in closing])
        np.testing.assert_array_equal(path[:, pip], path[:, dip])
        for joint in (mcp, dip):
            assert (np.diff(path[:, joint]) > 0).all()
            np.testing.assert_allclose(path[[0, -1], joint], [0, AERO_TOP], atol=1e-6)
        departure = np.minimum(path[:, dip], AERO_TOP - path[:, mcp])
        assert departure.max() < 0.036


@pytest.mark.parametrize("side", SIDES)
def test_aeros_fingertips_stay_on_the_path_of_their_tendons(side):
    """Within 0.2 mm of where the tips pass when the knuckle, then the outer joints close."""
    robot = handsim.load_hand("aero", side)
    closing = np.linspace(0, 1, 501)[:, None]
    low, high = robot.limits[robot.independent_ids].T
    tips = robot.tips(robot.expand(low + closing * (high - low)))
    two_phases = np.zeros((1001, robot.nq))
    for j, name in enumerate(robot.joint_names):
        phase = np.linspace(0, 2, 1001) - (0 if name.endswith("mcp_flex") else 1)
        two_phases[:, j] = AERO_TOP * np.clip(phase, 0, 1)
    expected = robot.tips(two_phases)
    for finger in range(1, 5):
        gaps = tips[:, None, finger] - expected[None, :, finger]
        assert np.linalg.norm(gaps, axis=2).min(axis=1).max() < 2e-4


# ---- frames


@each_hand
def test_the_palm_frame_is_the_canonical_one(name, side):
    data = at_neutral(compiled(name, side))
    knuckle, _ = in_palm(data, "middle_mcp")
    np.testing.assert_allclose(knuckle[:2], 0, atol=1e-6)
    assert knuckle[2] > 0.03
    thumb_side = 1 if side == "right" else -1
    fingers = [f for f in card(name)["fingers"] if f != "thumb"]
    knuckles = [in_palm(data, f"{f}_mcp")[0][1] for f in fingers]
    assert (np.diff(thumb_side * np.array(knuckles)) < 0).all()
    assert thumb_side * in_palm(data, "thumb_tip")[0][1] > knuckles[1] * thumb_side


@each_hand
def test_tip_frames_look_out_of_the_pads(name, side):
    """Bending the last joint inwards moves the tip where its +x axis points."""
    model = compiled(name, side)
    data = at_neutral(model)
    for finger in card(name)["fingers"]:
        place, axes = in_palm(data, f"{finger}_tip")
        if finger != "thumb":
            assert axes[0, 0] > 0.5, "the pads of straight fingers face where the palm faces"
            assert axes[:, 2] @ (place - in_palm(data, f"{finger}_mcp")[0]) > 0
        joint = model.body(model.site(f"{finger}_tip").bodyid[0]).jntadr[0]
        low, high = model.jnt_range[joint]
        flexing = 1 if abs(high) >= abs(low) else -1
        jacobian = np.empty((3, model.nv))
        mujoco.mj_jacSite(model, data, jacobian, None, model.site(f"{finger}_tip").id)
        motion = flexing * jacobian[:, joint]
        normal = data.site(f"{finger}_tip").xmat.reshape(3, 3)[:, 0]
        assert motion @ normal > 0.8 * np.linalg.norm(motion)


@each_hand
def test_joint_points_stay_on_their_joints(name, side):
    """A knuckle's site does not move when the joint it marks does."""
    model = compiled(name, side)
    for finger in card(name)["fingers"]:
        points = [p for p in ("cmc", "mcp", "pip", "ip", "dip") if _has(model, f"{finger}_{p}")]
        assert "mcp" in points
        for point in points:
            site = model.site(f"{finger}_{point}")
            joint = model.body(site.bodyid[0]).jntadr[0]
            from_anchor = site.pos - model.jnt_pos[joint]
            np.testing.assert_allclose(np.cross(from_anchor, model.jnt_axis[joint]), 0, atol=1e-6)


def _has(model, site):
    return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, site) >= 0


@pytest.mark.parametrize("name", [n for n in NAMES if card(n)["mirrored"]])
def test_left_is_the_mirror_of_right(name):
    right, left = compiled(name, "right"), compiled(name, "left")
    data_r, data_l = placed(right, np.zeros(right.nq)), placed(left, np.zeros(left.nq))
    order = [_left_joint(right, left, j) for j in range(right.njnt)]
    signs = [
        np.sign(-_palm_axis(left, data_l, other) @ MIRROR @ _palm_axis(right, data_r, joint))
        for joint, other in enumerate(order)
    ]
    for qpos in random_poses(right, 20):
        mirrored = np.empty(left.nq)
        mirrored[order] = np.array(signs) * qpos
        tips_r, tips_l = placed(right, qpos), placed(left, mirrored)
        for finger in card(name)["fingers"]:
            place, axes = in_palm(tips_r, f"{finger}_tip")
            other, other_axes = in_palm(tips_l, f"{finger}_tip")
            np.testing.assert_allclose(other, MIRROR @ place, atol=1e-5)
            np.testing.assert_allclose(other_axes[:, 0], MIRROR @ axes[:, 0], atol=1e-3)


def _left_joint(right, left, joint):
    """The left hand's joint that answers to a joint of the right one, by name."""
    name = right.joint(joint).name
    for prefix, other in (("right_", "left_"), ("rh_", "lh_")):
        if name.startswith(prefix):
            return left.joint(other + name.removeprefix(prefix)).id
    return left.joint(name).id


def _palm_axis(model, data, joint):
    return data.site("palm").xmat.reshape(3, 3).T @ data.xaxis[joint]


# ---- physics


@each_hand
def test_nothing_touches_at_the_neutral_pose(name, side):
    model = compiled(name, side)
    assert model.geom_contype.any(), "a hand without collision shapes passes for nothing"
    assert at_neutral(model).ncon == 0


@each_hand
def test_neighbouring_links_never_touch_but_others_do(name, side):
    model = compiled(name, side)
    touched = set()
    for qpos in random_poses(model, 120, seed=3):
        data = placed(model, qpos)
        touched |= {tuple(sorted(model.geom_bodyid[list(c.geom)])) for c in data.contact}
    assert touched, "self-collision is on"
    for a, b in touched:
        assert a not in (model.body_parentid[b], model.body_parentid[model.body_parentid[b]])


@each_hand
def test_gains_follow_the_rule(name, side):
    model = compiled(name, side)
    gains = actuation.position_gains(model)
    np.testing.assert_allclose(model.actuator_gainprm[:, 0], gains.kp, rtol=0.01)
    np.testing.assert_allclose(model.actuator_biasprm[:, 1], -gains.kp, rtol=0.01)
    np.testing.assert_allclose(model.actuator_biasprm[:, 2], -gains.kv, rtol=0.01)
    damping = np.asarray(model.dof_damping).reshape(model.nv, -1)[:, 0]
    np.testing.assert_allclose(damping, gains.damping, rtol=0.01, atol=1e-12)
    limits = actuation.force_limits(model)
    np.testing.assert_allclose(model.actuator_forcerange[:, 1], limits, rtol=0.01)
    np.testing.assert_allclose(model.actuator_forcerange[:, 0], -limits, rtol=0.01)
    np.testing.assert_allclose(model.dof_armature, 1e-4)
    np.testing.assert_allclose(model.body_gravcomp[1:], 1)


def test_gains_give_the_bandwidth_that_was_asked_for():
    """One joint on a known inertia: kp = I ω², kv = 2 I ω, force = 20 N × lever."""
    model = mujoco.MjModel.from_xml_string("""
      <mujoco><worldbody><body>
        <joint name="j" axis="0 1 0" range="-1 1" armature="0.001"/>
        <inertial mass="0.1" pos="0 0 0.1" diaginertia="1e-5 2e-5 1e-5"/>
        <site name="index_tip" pos="0 0 0.2"/>
      </body></worldbody><actuator><position joint="j" kp="1"/></actuator></mujoco>""")
    inertia = 0.001 + 0.1 * 0.1**2 + 2e-5
    gains = actuation.position_gains(model, bandwidth_hz=10.0, damping_ratio=0.5)
    omega = 2 * np.pi * 10
    assert gains.kp[0] == pytest.approx(inertia * omega**2)
    assert gains.kv[0] == pytest.approx(inertia * omega)
    assert actuation.force_limits(model, tip_force=5.0)[0] == pytest.approx(1.0)


@each_hand
def test_a_coupled_pose_needs_no_actuator_force(name, side):
    model = compiled(name, side)
    for qpos in random_poses(model, 20, seed=5):
        data = placed(model, qpos)
        data.ctrl[:] = data.actuator_length
        mujoco.mj_forward(model, data)
        low, high = model.actuator_ctrlrange.T
        assert (data.actuator_length >= low - 1e-6).all()
        assert (data.actuator_length <= high + 1e-6).all()
        np.testing.assert_allclose(data.actuator_force, 0, atol=1e-6)


@each_hand
@pytest.mark.parametrize("gravity", [(0, 0, -9.81), (9.81, 0, 0), (0, -6.9, 6.9)])
def test_a_hand_told_to_hold_still_holds_still(name, side, gravity):
    model = compiled(name, side)
    data = at_neutral(model)
    start = data.qpos.copy()
    data.ctrl[:] = data.actuator_length
    before = model.opt.gravity.copy()
    try:
        model.opt.gravity[:] = gravity
        for _ in range(int(2 / TIMESTEP)):
            mujoco.mj_step(model, data)
    finally:
        model.opt.gravity[:] = before
    assert np.abs(data.qpos - start).max() < 1e-6


@each_hand
def test_random_control_is_survived(name, side):
    model = compiled(name, side)
    data = at_neutral(model)
    rng = np.random.default_rng(11)
    for step in range(2000):
        if step % 40 == 0:
            data.ctrl[:] = rng.uniform(*model.actuator_ctrlrange.T)
        mujoco.mj_step(model, data)
    assert np.isfinite(data.qpos).all()
    assert np.abs(data.qvel).max() < 200
    assert not any(warning.number for warning in data.warning)


@each_hand
def test_couplings_hold_while_a_hand_moves(name, side):
    """Closing over half a second keeps the followers within 0.02 rad of their polynomials."""
    model = compiled(name, side)
    if not joint_couplings(model):
        pytest.skip("no couplings")
    data = at_neutral(model)
    start = data.actuator_length.copy()
    goal = placed(model, random_poses(model, 1, seed=2)[0]).actuator_length
    data.ctrl[:] = start
    worst, steps = 0.0, int(0.5 / TIMESTEP)
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    try:
        for step in range(1, steps + 1):
            data.ctrl[:] = start + (0.5 - 0.5 * np.cos(np.pi * step / steps)) * (goal - start)
            mujoco.mj_step(model, data)
            if step % 20 == 0:
                worst = max(worst, np.abs(data.qpos - coupled(model, data.qpos)).max())
    finally:
        model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    assert worst < 0.02
