"""The pause of a first compilation is announced, once."""

import logging
from pathlib import Path

from numba import njit

from handsim.compiled import announce


def test_only_what_is_not_compiled_yet_is_announced(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    source = tmp_path / "fresh.py"
    source.write_text("def double(x):\n    return 2 * x\n")
    names: dict = {}
    exec(compile(source.read_text(), str(source), "exec"), names)
    double = njit(names["double"])

    class Stats:
        cache_path = str(tmp_path)

    class Function:
        """What `announce` asks of a compiled function, with a cache folder of the test's own."""

        signatures = double.signatures
        stats = Stats
        py_func = names["double"]
        __name__ = "double"

    with caplog.at_level(logging.WARNING):
        announce(Function(), "twice the number")
        assert caplog.messages == [
            "Compiling twice the number for this machine: up to a minute, once."
        ]
        (Path(tmp_path) / "fresh.double-1.py311.nbi").write_bytes(b"")
        announce(Function(), "twice the number")
        assert double(3) == 6
        Function.signatures = double.signatures
        announce(Function(), "twice the number")
    assert len(caplog.messages) == 1
