"""`retarget doctor`: what works is ok, what is absent missing, what fails or crashes broken."""

import json

import pytest

from handsim.errors import MissingFileError
from retarget import cli, doctor, probes
from retarget.doctor import CAPABILITIES, Capability, Finding, diagnose, works

PLANTED = """
import os, sys
from importlib import import_module
doctor = import_module("retarget.doctor")
name = {!r}
if name == "crash":
    os.kill(os.getpid(), 11)
if name == "absent":
    doctor.CAPABILITIES["absent"] = doctor.Capability(
        lambda: import_module("retarget.probes")._extra("no_such_package"), ""
    )
if name == "fails":
    doctor.CAPABILITIES["fails"] = doctor.Capability(lambda: str(1 / 0), "")
if name == "works":
    doctor.CAPABILITIES["works"] = doctor.Capability(lambda: "toy 1.2", "")
doctor.run_probe(name)
"""


def toy(**core):
    return {name: Capability(str, f"mend {name}", core=is_core) for name, is_core in core.items()}


def test_each_ending_is_told_apart():
    tried = toy(works=True, absent=False, fails=False, crash=False)
    ok, absent, fails, crash = diagnose(tried, PLANTED)
    assert ok == Finding("works", "ok", True, "toy 1.2")
    assert (absent.status, absent.remedy) == ("missing", "mend absent")
    assert absent.reason == "The package no_such_package is not installed."
    assert (fails.status, fails.reason) == ("broken", "ZeroDivisionError: division by zero")
    assert crash.status == "broken"
    assert crash.reason.startswith("crashed with signal 11")
    assert works([ok, absent, fails, crash])


@pytest.mark.parametrize("status", ["missing", "broken"])
def test_without_its_core_nothing_works(status):
    assert not works([Finding("a", "ok", True), Finding("b", status, True)])
    assert works([Finding("a", "ok", True), Finding("b", status, False)])


def test_what_the_tests_need_works_here():
    names = ("physics", "hdf5")
    findings = diagnose({name: CAPABILITIES[name] for name in names})
    assert [(f.status, f.reason) for f in findings] == [("ok", "")] * 2
    assert findings[0].version.startswith("mujoco 3.")


@pytest.mark.parametrize("name", ["hands", "solver", "nlopt", "video"])
def test_probes_of_the_core(name):
    assert CAPABILITIES[name].probe()


@pytest.mark.parametrize(
    ("name", "package"), [("lerobot", "av"), ("minari", "minari"), ("zarr", "numcodecs")]
)
def test_probes_of_datasets(name, package):
    pytest.importorskip(package)
    assert package in CAPABILITIES[name].probe()


def test_rendering_is_probed(opengl):
    assert probes.rendering() in ("egl", "osmesa", "glfw", "cgl")


def test_a_dm_control_of_another_release_is_refused():
    probes.require_pair("3.11.0", "1.0.44")
    probes.require_pair("3.17.0", "1.0.50")
    for pair in (("4.0.0", "1.0.50"), ("3.11.0", "1.0.45")):
        with pytest.raises(RuntimeError, match="do not belong together"):
            probes.require_pair(*pair)


def test_files_of_the_user_are_looked_for_where_they_said(monkeypatch, tmp_path):
    monkeypatch.delenv("HANDSIM_MENAGERIE", raising=False)
    with pytest.raises(MissingFileError, match="HANDSIM_MENAGERIE is not set"):
        probes.menagerie()
    monkeypatch.setenv("HANDSIM_MANO", str(tmp_path))
    with pytest.raises(MissingFileError, match="MANO_RIGHT"):
        probes.mano()


def test_every_backend_of_extract_is_probed():
    extracting = {name for name in CAPABILITIES if name.startswith("extract ")}
    assert extracting == {f"extract {name}" for name in doctor.BACKENDS}
    assert all(capability.remedy for capability in CAPABILITIES.values())


def test_an_interpreter_that_lacks_the_backend_is_broken(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'mediapipe'\" >&2\nexit 1\n"
    )
    python.chmod(0o755)
    monkeypatch.setenv("HANDSIM_MEDIAPIPE_PYTHON", str(python))
    with pytest.raises(Exception, match="No module named 'mediapipe'"):
        probes.backend("mediapipe")
    python.write_text("#!/bin/sh\necho mediapipe 0.10.21\n")
    assert probes.backend("mediapipe") == f"mediapipe 0.10.21 ({python})"


@pytest.mark.parametrize("status", ["ok", "broken"])
def test_the_command_ends_with_a_code(monkeypatch, capsys, status):
    findings = [Finding("core thing", status, True, "1.0", "it broke", "mend it")]
    monkeypatch.setattr(doctor, "diagnose", lambda: findings)
    for option in ([], ["--json"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["doctor", *option])
        assert stopped.value.code == (0 if status == "ok" else 1)
        printed = capsys.readouterr().out
        assert "core thing" in printed
    assert json.loads(printed)[0]["status"] == status
