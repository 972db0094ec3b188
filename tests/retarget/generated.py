"""What the tests of generated datasets share."""

from pathlib import Path

from retarget.generation import Recipe

RECIPE = Recipe(hands=("dex3",), variants=2, method="vector", time_warp=0.3)


def tree(folder):
    """Every file below a folder, by name, with its content."""
    files = (file for file in Path(folder).rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
