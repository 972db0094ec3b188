"""Code compiled at first use by numba, kept on disk: how it is, and how the user learns of it."""

import logging
from pathlib import Path
from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
kernel = njit(**_OPTIONS)
"""Compile a function whose arrays all belong to its caller: it makes none and returns none.

So no references are counted, which took more than half of the time where a NamedTuple of arrays is
passed on.
"""

_log = logging.getLogger(__name__)


def announce(function: Any, what: str) -> None:
    """Warn, through `logging`, when calling `function` will compile it first.

    That happens once on a machine (and again when the code changes): numba keeps the result
    beside the module, or in the user's cache folder where that cannot be written.

    Args:
        function: a function decorated with `kernel`.
        what: what it computes, for the message.
    """
    if function.signatures:
        return
    folder = Path(function.stats.cache_path)
    module = Path(function.py_func.__code__.co_filename).stem
    if not any(folder.glob(f"{module}.{function.__name__}-*.nbi")):
        _log.warning("Compiling %s for this machine: up to a minute, once.", what)
