"""Small hands written for a test: a palm, and fingers of three joints, as URDF text."""

LIMIT = '<limit lower="{low}" upper="{high}" effort="1" velocity="1"/>'
FINGERS = {"index": 0.03, "middle": 0.0, "ring": -0.03}


def link(name: str, shapes: str = "") -> str:
    return (
        f'<link name="{name}"><inertial><mass value="0.02"/><inertia ixx="1e-5" iyy="1e-5" '
        f'izz="1e-5" ixy="0" ixz="0" iyz="0"/></inertial>{shapes}</link>'
    )


def shape(geometry: str, kind: str = "collision", z: float = 0.0) -> str:
    return f'<{kind}><origin xyz="0 0 {z}"/><geometry>{geometry}</geometry></{kind}>'


def joint(name, parent, child, xyz, axis="0 1 0", low=0.0, high=1.5, extra="", kind="revolute"):
    limit = "" if kind in ("fixed", "continuous") else LIMIT.format(low=low, high=high)
    return (
        f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{xyz}"/><axis xyz="{axis}"/>{limit}{extra}</joint>'
    )


def finger(name: str, y: float, mimic: str = "", tip: bool = True, shapes: str = "") -> str:
    """A straight finger along z that bends towards +x, its tip link 25 mm from its last joint."""
    parts = [
        *(link(f"{name}_{i}", shapes) for i in (1, 2, 3)),
        joint(f"{name}_j1", "base", f"{name}_1", f"0 {y} 0.09", low=-0.2),
        joint(f"{name}_j2", f"{name}_1", f"{name}_2", "0 0 0.04"),
        joint(f"{name}_j3", f"{name}_2", f"{name}_3", "0 0 0.03", extra=mimic),
    ]
    if tip:
        parts.append(f'<link name="{name}_tip"/>')
        fixed = joint(f"{name}_jt", f"{name}_3", f"{name}_tip", "0 0 0.025", kind="fixed")
        parts.append(fixed)
    return "".join(parts)


def thumb(sign: float = 1.0, shapes: str = "") -> str:
    """A thumb at the wrist on the +y side (sign 1), that bends across the palm."""
    return "".join(
        [
            *(link(f"thumb_{i}", shapes) for i in (1, 2, 3)),
            joint("thumb_j1", "base", "thumb_1", f"0.02 {0.03 * sign} 0.02", f"0 0 {-sign}"),
            joint("thumb_j2", "thumb_1", "thumb_2", f"0 {0.03 * sign} 0", f"{sign} 0 0"),
            joint("thumb_j3", "thumb_2", "thumb_3", f"0 {0.03 * sign} 0.005", f"{sign} 0 0"),
            '<link name="thumb_tip"/>',
            joint("thumb_jt", "thumb_3", "thumb_tip", f"0 {0.025 * sign} 0", kind="fixed"),
        ]
    )


def hand(*parts: str, root: str = "") -> str:
    """A URDF of a right hand with thumb, index, middle and ring fingers, and what else is given."""
    fingers = "".join(finger(name, y) for name, y in FINGERS.items())
    return f'<robot name="h">{root}{link("base")}{thumb()}{fingers}{"".join(parts)}</robot>'
