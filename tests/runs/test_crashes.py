"""A run with a store is killed at the changes that it makes to its folder: at some here, at all in `make crash`."""

import sys

import pytest

pytest.importorskip("zarr")

import crashes
from stored_runs import CONTEXT, started

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and looks into /proc")

PLACES = 3  # of some hundred of a mode


@pytest.fixture(scope="module")
def tried():
    """What came of every mode; all are tried in one process, which begins with one thread."""
    here, there = CONTEXT.Pipe()
    process = started(crashes.send, there, PLACES)
    found = {}
    for name in crashes.MODES:
        assert here.poll(300), f"{name} does not end"
        found[name] = here.recv()
    process.join()
    return found


@pytest.mark.parametrize("name", crashes.MODES)
def test_nothing_is_lost_wherever_a_run_is_killed(tried, name):
    assert tried[name].wrong == []
    assert tried[name].kills > 0


def test_a_run_that_is_not_whole_is_noticed(monkeypatch, tmp_path):
    """The harness says so where a finished landscape, or points that are known, are wrong."""
    harness = crashes.Harness("plain", tmp_path)
    harness.renew()
    landscape = crashes.surface(harness.store, **crashes.SMALL)
    assert harness._loaded(9) == set()
    landscape.loss.flags.writeable = True
    monkeypatch.setattr(harness.whole, "landscape", crashes.surface(None, **{**crashes.SMALL, "seed": 1}))
    with pytest.raises(AssertionError, match="a finished landscape is another one"):
        harness._loaded(9)
