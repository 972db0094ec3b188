"""The window of a moved hand: what MuJoCo's viewer is shown, and that it is closed in the end."""

import threading
from contextlib import nullcontext

import numpy as np
import pytest

import handsim
from handsim import window
from handsim.errors import MissingExtraError


class Viewer:
    """Stands for `mujoco.viewer` where there is no display: a thread that "draws" until closed."""

    def __init__(self):
        self.closed, self.synced = threading.Event(), []
        self.thread = threading.Thread(target=self.closed.wait)

    def launch_passive(self, model, data):
        self.data = data
        self.thread.start()
        return self

    def lock(self):
        return nullcontext()

    def sync(self):
        self.synced.append(self.data.qpos.copy())

    def is_running(self):
        return len(self.synced) < 2

    def close(self):
        self.closed.set()


def test_a_hand_is_shown_as_it_is_told_to_and_nothing_draws_after_the_end(monkeypatch):
    hand = handsim.load_hand("ability")
    viewer = Viewer()
    monkeypatch.setattr(window, "viewer_module", lambda instead: viewer)
    with pytest.raises(ZeroDivisionError), window.moving_window(hand) as show:
        assert show(hand.neutral)
        closing = hand.expand(hand.limits[hand.independent_ids, 1])
        assert not show(closing)
        raise ZeroDivisionError
    assert not viewer.thread.is_alive()
    np.testing.assert_allclose(viewer.synced, [hand.neutral, closing], atol=1e-12)


def test_without_a_display_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setattr(window.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(MissingExtraError, match=r"no display to open a window on; record a video"),
        window.moving_window(handsim.load_hand("ability")),
    ):
        pass
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert window.has_display()
