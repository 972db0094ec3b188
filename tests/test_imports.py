"""The law of the house: handsim ← retarget ← benchmarks, no cycles, imports at the top."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("handsim", "retarget", "benchmarks")
    for path in sorted((ROOT / package).rglob("*.py"))
}
WORKERS = {name for name in MODULES if name.startswith("retarget.human.extract.workers.")}
"""Scripts for interpreters of their own, which have none of our packages."""
FORBIDDEN = {
    "handsim": {"retarget", "benchmarks"},
    "retarget": {"benchmarks"},
    "benchmarks": set(),
}
OPTIONAL = {
    "torch",
    "dex_retargeting",
    "dexi_rs",
    "rosbags",
    "apsw",
    "numcodecs",
    "ray",
    "coacd",
    "trimesh",
}


def imports(tree: ast.AST) -> set[str]:
    """Full names of all that is imported below a node."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import at line {node.lineno}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(name: str) -> str | None:
    """The module of ours that an imported name belongs to."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


GRAPH = {
    module: {own(name) for name in imports(ast.parse(path.read_text()))} - {None, module}
    for module, path in MODULES.items()
}


def test_the_modules_are_found():
    assert {"handsim.errors", "retarget.retargeter"} <= set(MODULES)
    assert "handsim.hands.robot_hand" in GRAPH["retarget.retargeter"]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_one_way(module):
    package = module.split(".")[0]
    assert not {n.split(".")[0] for n in GRAPH[module]} & FORBIDDEN[package]


def test_the_person_knows_nothing_of_robots():
    allowed = {f"handsim.{name}" for name in ("errors", "files", "assets", "hdf5", "zarr_arrays")}
    for module, needs in GRAPH.items():
        if module.startswith("retarget.human"):
            outside = {n for n in needs if not n.startswith("retarget.human")}
            assert outside <= allowed, module


def test_there_is_no_import_cycle():
    done, path = set(), []

    def visit(module):
        assert module not in path, " → ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for needed in sorted(GRAPH[module]):
            visit(needed)
        path.pop()
        done.add(module)

    for module in sorted(GRAPH):
        visit(module)


@pytest.mark.parametrize("module", sorted(WORKERS))
def test_workers_import_nothing_of_ours_and_nobody_imports_them(module):
    assert not GRAPH[module]
    assert not any(module in needs for needs in GRAPH.values())


@pytest.mark.parametrize("module", sorted(set(MODULES) - WORKERS))
def test_imports_stand_at_the_top(module):
    tree = ast.parse(MODULES[module].read_text())
    assert "TYPE_CHECKING" not in MODULES[module].read_text()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert {name.split(".")[0] for name in imports(node)} <= OPTIONAL, node.name
