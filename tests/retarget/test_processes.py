"""Processes that work on jobs: every item once, whoever is killed."""

import sys
from functools import partial

import pytest

from handsim.errors import WorkerError
from retarget.generation import processes

KILL = "__import__('os').kill(__import__('os').getpid(), 9)"
evaluate = partial(map, eval)
"""Items are expressions: processes of their own know nothing of this file."""


def test_an_item_that_kills_its_process_is_given_up_and_no_other(monkeypatch):
    monkeypatch.setattr(processes, "ATTEMPTS", 2)
    events = list(processes.run([["1"], [KILL, "2", "3"], ["4"]], evaluate, 2))
    assert sorted(event.item for event in events) == sorted(["1", KILL, "2", "3", "4"])
    assert {event.item: event.lost for event in events if event.lost} == {KILL: "signal 9"}


def test_an_error_in_a_process_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        list(processes.run([["1 / 0"]], evaluate, 1))


def test_a_process_that_cannot_start_is_not_started_again(monkeypatch):
    context = processes.Worker.context
    hopeless = partial(type(context).Process, target=sys.exit)
    started = []

    def start(target, args, daemon):
        started.append(target)
        return hopeless(args=(3,), daemon=daemon)

    monkeypatch.setattr(context, "Process", start)
    with pytest.raises(WorkerError, match="could not start"):
        list(processes.run([["1"]], evaluate, 1))
    assert len(started) == 1
