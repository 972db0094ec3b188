"""What works on this machine: each capability tried in a process of its own, with the remedy."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

from handsim.errors import MissingExtraError, MissingFileError
from retarget import probes
from retarget.human.extract import BACKENDS

Status = Literal["ok", "missing", "broken"]

_ABSENT = 3
"""Exit code of a probe whose capability is not there."""
_PATIENCE = 300.0
_PROGRAM = "from retarget import doctor; doctor.run_probe({!r})"


@dataclass(frozen=True)
class Capability:
    """Something this project can do here, or could.

    Attributes:
        probe: the check of `probes`.
        remedy: what to do when it is missing or broken.
        core: whether nothing much works without it.
    """

    probe: Callable[[], str]
    remedy: str
    core: bool = False


@dataclass(frozen=True)
class Finding:
    """How one capability is.

    Attributes:
        capability: its name.
        status: "ok", "missing" (not installed or not set up) or "broken" (there, but failing).
        core: whether nothing much works without it.
        version: what was found when it is ok.
        reason, remedy: what is wrong otherwise, and what to do.
    """

    capability: str
    status: Status
    core: bool
    version: str = ""
    reason: str = ""
    remedy: str = ""


def _extra(name: str) -> str:
    return f"pip install 'handsim[{name}]'"


_AGAIN = "install this project again into a fresh environment: pip install handsim"
CAPABILITIES: dict[str, Capability] = {
    "physics": Capability(probes.physics, _AGAIN, core=True),
    "hands": Capability(probes.hands, _AGAIN, core=True),
    "solver": Capability(probes.solver, "pip install --force-reinstall numba", core=True),
    "nlopt": Capability(probes.algorithms, "pip install --force-reinstall nlopt", core=True),
    "hdf5": Capability(probes.hdf5, "pip install --force-reinstall h5py", core=True),
    "rendering": Capability(
        probes.rendering,
        "Debian, Ubuntu: apt-get install libegl1 libopengl0 libgl1-mesa-dri (or libosmesa6)",
    ),
    "video": Capability(probes.video, "pip install --force-reinstall imageio-ffmpeg"),
    "torch": Capability(probes.torch, _extra("torch")),
    "zarr": Capability(probes.zarr, _extra("zarr")),
    "lerobot": Capability(probes.lerobot, _extra("lerobot")),
    "minari": Capability(probes.minari, _extra("minari")),
    "rosbags": Capability(probes.rosbags, _extra("ros")),
    **{
        f"extract {name}": Capability(partial(probes.backend, name), f"retarget setup {name}")
        for name in BACKENDS
    },
    "MANO files": Capability(
        probes.mano,
        f"register at mano.is.tue.mpg.de, then set {probes.MANO_VARIABLE} to the folder of "
        "MANO_RIGHT.pkl; keypoints work without",
    ),
    "Menagerie": Capability(
        probes.menagerie,
        f"set {probes.MENAGERIE_VARIABLE} to a copy of mujoco_menagerie; meshes only",
    ),
    "display": Capability(
        probes.display, "for windows only: run on a desktop, or ssh -X; videos need none"
    ),
}


def diagnose(
    capabilities: Mapping[str, Capability] = CAPABILITIES, program: str = _PROGRAM
) -> list[Finding]:
    """Try each capability, two at a time.

    Args:
        capabilities: what to try, by name.
        program: Python that runs the probe of a name.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(
            pool.map(lambda item: _try(item[0], item[1], program), tuple(capabilities.items()))
        )


def works(findings: Iterable[Finding]) -> bool:
    """Whether all of the core does."""
    return all(finding.status == "ok" for finding in findings if finding.core)


def run_probe(name: str) -> None:
    """The other process: print what was found, or exit with `_ABSENT` or a traceback."""
    try:
        sys.stdout.write(CAPABILITIES[name].probe())
    except (MissingExtraError, MissingFileError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(_ABSENT)


def _try(name: str, capability: Capability, program: str) -> Finding:
    command: Sequence[str] = [sys.executable, "-c", program.format(name)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_PATIENCE:.0f} s"
        return Finding(name, "broken", capability.core, "", reason, capability.remedy)
    if done.returncode == 0:
        return Finding(name, "ok", capability.core, done.stdout.strip())
    status: Status = "missing" if done.returncode == _ABSENT else "broken"
    reason = probes.last_line(done.stderr)
    if done.returncode < 0:
        reason = f"crashed with signal {-done.returncode}: {reason}"
    return Finding(name, status, capability.core, "", reason, capability.remedy)
