"""The page of observations and actions is what its command writes."""

import gymnasium

from benchmarks.environments_page import ENVIRONMENTS, PAGE, page


def test_the_page_is_up_to_date():
    assert PAGE.read_text() == page(), "python -m benchmarks.environments_page"


def test_every_environment_is_on_it():
    ours = {name for name in gymnasium.registry if name.startswith("handsim/")}
    assert ours == set(ENVIRONMENTS)
