"""A recorder is killed at random moments, and at every change that it makes to its folder."""

import os
import sys

import pytest
import torch

import recorded
from crashes import _Changes
from fastscape import Recorder
from fastscape.weights import INDEX, rows_of
from stored_runs import CONTEXT, started


@pytest.mark.parametrize("kind", recorded.KINDS)
def test_at_most_the_record_in_hand_is_lost(kind):
    assert len(list(recorded.killed(kind, 3, seconds=0.1))) == 3


def some_records(folder, first):
    """Six records of which at most three are kept, and one more where the training has gone back."""
    with Recorder(folder, most=3) as recorder:
        for step in range(first, 6):
            recorder.record(recorded.model_at(step), step, value=step)
    with Recorder(folder) as recorder:
        recorder.record(recorded.model_at(4), 4, value=4)


def killed_everywhere(place, answer):
    """Kills what makes the records in front of each of its changes, and says how often."""
    torch.set_num_threads(1)
    kills, at = 0, 1
    while True:
        folder = place / f"{at}" / "run"
        folder.parent.mkdir()
        child = os.fork()
        if not child:
            _Changes(folder, at, None)
            some_records(folder, 0)
            os._exit(0)
        _, status = os.wait()
        if not os.WIFSIGNALED(status):
            break
        rows = recorded.right_rows(folder)
        assert not rows or rows[0].step == 0
        some_records(folder, rows[-1].step + 1 if rows else 0)
        assert recorded.right_rows(folder)[-1].step == 4
        with Recorder(folder) as recorder:  # which takes away what the last one has taken the place of
            recorder.record(recorded.model_at(9), 9, value=9)
        assert recorded.only_records(folder)
        kills, at = kills + 1, at + 1
    assert status == 0
    answer.send(kills)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and looks into /proc")
def test_nothing_is_lost_wherever_a_recorder_is_killed(tmp_path):
    here, there = CONTEXT.Pipe()
    process = started(killed_everywhere, tmp_path, there)
    process.join(120)
    assert process.exitcode == 0
    assert here.recv() > 20


def test_the_harness_notices_wrong_weights(tmp_path):
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(recorded.model_at(3), 4, value=4)
    with pytest.raises(AssertionError, match=r"step-000000000004\.safetensors has other weights than those of step 4"):
        recorded.right_rows(tmp_path / "run")
    (tmp_path / "run" / "left").touch()
    assert not recorded.only_records(tmp_path / "run")
    assert (tmp_path / "run" / INDEX).exists()
    assert rows_of(tmp_path / "run")[0].step == 4
