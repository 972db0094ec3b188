"""Status: what a user reads of how frames ended."""

import numpy as np
import pytest

from retarget.status import Status, tally


@pytest.mark.parametrize("status", Status)
def test_every_status_is_its_number_and_says_what_it_means(status):
    assert Status(int(status)) is status
    assert len(status.message) > 10


def test_the_tally_counts_and_explains():
    line = tally(np.array([0, 3, 0, 0, 1]))
    assert line.startswith("3 converged, 1 out of steps (")
    assert Status.OUT_OF_STEPS.message in line
    assert Status.NOT_SEEN.message in line
    assert "no progress" not in line


def test_a_clean_run_needs_no_explanation():
    assert tally(np.zeros(4, dtype=int)) == "4 converged"
