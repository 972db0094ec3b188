"""A hand of three fingers as URDF, with configurations of dex-retargeting for it."""

TIPS = {"thumb": 4, "index": 8, "middle": 12}
LIMIT = 1.4


def urdf_text():
    """Three fingers of two joints, 60 and 40 mm long, on a base that a fixed root link carries."""
    links, joints = ['<link name="root"/>', '<link name="base"/>'], [fixed("root", "base")]
    for i, finger in enumerate(TIPS):
        links += [f'<link name="{finger}_{part}"/>' for part in ("near", "far", "tip")]
        follows = f'<mimic joint="{finger}_1" multiplier="0.5" offset="0.1"/>'
        joints += [
            hinge(
                f"{finger}_1",
                "base",
                f"{finger}_near",
                (0.02 * (i == 0), 0.03 * (1 - i), 0.02 + 0.03 * (i > 0)),
            ),
            hinge(
                f"{finger}_2",
                f"{finger}_near",
                f"{finger}_far",
                (0, 0, 0.06),
                follows if finger == "middle" else "",
            ),
            fixed(f"{finger}_far", f"{finger}_tip", (0, 0, 0.04)),
        ]
    return f'<robot name="tiny">{"".join(links + joints)}</robot>'


def fixed(parent, child, place=(0, 0, 0)):
    return (
        f'<joint name="{parent}_{child}" type="fixed"><parent link="{parent}"/>'
        f'<child link="{child}"/><origin xyz="{place[0]} {place[1]} {place[2]}"/></joint>'
    )


def hinge(name, parent, child, place, extra=""):
    return (
        f'<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{place[0]} {place[1]} {place[2]}"/><axis xyz="0 1 0"/>'
        f'<limit lower="0" upper="{LIMIT}" effort="1" velocity="1"/>{extra}</joint>'
    )


URDF = urdf_text()
INDEPENDENT = ["thumb_1", "thumb_2", "index_1", "index_2", "middle_1"]
VECTOR = f"""
retargeting:
  type: vector
  urdf_path: tiny.urdf
  target_joint_names: {INDEPENDENT}
  target_origin_link_names: [base, base, base]
  target_task_link_names: [thumb_tip, index_tip, middle_tip]
  target_link_human_indices: [[0, 0, 0], [4, 8, 12]]
  scaling_factor: 2.0
  normal_delta: 1.0e-7
  low_pass_alpha: 1
"""
DEXPILOT = f"""
retargeting:
  type: DexPilot
  urdf_path: tiny.urdf
  target_joint_names: {INDEPENDENT}
  wrist_link_name: base
  finger_tip_link_names: [thumb_tip, index_tip, middle_tip]
  low_pass_alpha: 1
"""
POSITION = f"""
retargeting:
  type: position
  urdf_path: tiny.urdf
  add_dummy_free_joint: true
  target_joint_names: {INDEPENDENT}
  target_link_names: [thumb_tip, index_tip, middle_tip, thumb_near, index_near, middle_near]
  target_link_human_indices: [4, 8, 12, 2, 6, 10]
  normal_delta: 1.0e-7
  low_pass_alpha: 1
"""
