"""Fixtures of the tests of people."""

import jaxtyping
import pytest


@pytest.fixture
def unchecked():
    """Without the checker of signatures, which refuses wrong shapes before the code does.

    It also takes most of the time where millions of small functions are called.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
