"""Standard errors of a mean over tokens with texts of different lengths: those of a ratio, and those of resampling."""

import copy

import numpy as np
import pytest
import torch

import fastscape
from fastscape import Plan, objectives
from tiny_language_models import VOCABULARY, Tiny, losses
from tolerance import assert_close

LENGTHS = [[9] * 12, [4] * 20, [25] * 8, [14] * 10]
HERE = {"x": (0, 0, 1), "precision": "float64", "progress": False}


def made(seed=0):
    torch.manual_seed(seed)
    data = [{"input_ids": torch.randint(VOCABULARY, (len(some), some[0]))} for some in LENGTHS]
    return Tiny().double(), data, [row for batch in data for row in batch["input_ids"].tolist()]


def ratio_error(sums, lengths):
    """Cochran 1977, section 6.4, without the correction for a finite population."""
    count, mean = len(sums), sum(sums) / sum(lengths)
    residuals = np.array(sums) - mean * np.array(lengths)
    return np.sqrt(residuals @ residuals / (count - 1) / count) / np.mean(lengths)


def resampled(sums, lengths, draws=4000):
    numbers = np.random.default_rng(0).integers(len(sums), size=(draws, len(sums)))
    return (np.array(sums)[numbers].sum(1) / np.array(lengths)[numbers].sum(1)).std()


@pytest.mark.parametrize(
    "options",
    [{"plan": Plan("loop", 2, 3)}, {"plan": Plan("vmap", 2, 5)}, {"stream_samples": 15}, {"low_memory": True}],
)
def test_the_standard_error_is_that_of_a_ratio(options):
    model, data, texts = made()
    found = fastscape.line(model, data, objective=objectives.causal_lm(head="head"), **HERE, **options)
    sums, lengths = zip(*((sum(each), len(each)) for each in (losses(model, text) for text in texts)), strict=True)
    assert found.loss == pytest.approx([sum(sums) / sum(lengths)], rel=1e-12)
    exact = 0.01 if "stream_samples" in options else 1e-9  # in parts, n is known by the weights of the first part
    assert found.standard_error == pytest.approx([ratio_error(sums, lengths)], rel=exact)
    assert found.standard_error == pytest.approx([resampled(sums, lengths)], rel=0.1)


def test_the_error_of_sequences_that_count_nothing_is_that_of_the_others():
    model, data, texts = made()
    data = [{**batch, "labels": batch["input_ids"].clone()} for batch in data]
    data[1]["labels"][::2] = -100
    found = fastscape.line(model, data, objective=objectives.causal_lm(head="head"), **HERE)
    own = [losses(model, text) for k, text in enumerate(texts) if not (12 <= k < 32 and (k - 12) % 2 == 0)]
    sums, lengths = [*map(sum, own), *[0] * 10], [*map(len, own), *[0] * 10]
    assert found.standard_error == pytest.approx([ratio_error(sums, lengths)], rel=1e-9)


def test_the_first_of_several_data_sets_has_its_own():
    model, data, _ = made()
    both = fastscape.DataSets(train=data[:2], test=data[2:])
    objective = objectives.causal_lm(head="head")
    found = fastscape.line(model, both, objective=objective, **HERE)
    alone = fastscape.line(model, data[:2], objective=objective, **HERE)
    assert found.standard_error == pytest.approx(alone.standard_error, rel=1e-9)
    choices = objectives.multiple_choice([[1, 2], [3]] * 4, [[[4], [0]], [[1, 2], [3]]] * 4, [0, 1] * 4)
    both = fastscape.DataSets(choices=choices, text=data)
    objective = objectives.combined(
        objectives.choice_accuracy(head="head"), objectives.causal_lm(head="head", accuracy=True)
    )
    found = fastscape.line(model, both, objective=objective, **HERE)
    alone = fastscape.line(model, choices, objective=objectives.choice_accuracy(head="head"), **HERE)
    assert found.standard_error == pytest.approx(alone.standard_error, rel=1e-9)


def test_the_paired_error_of_a_barrier_is_that_of_a_ratio():
    model, data, texts = made()
    other = made(1)[0]
    found = fastscape.barrier(
        model,
        other,
        data,
        objective=objectives.causal_lm(head="head"),
        points=5,
        **{name: value for name, value in HERE.items() if name != "x"},
    )
    farthest = max(found["loss"].highest, found["loss"].lowest, key=lambda one: abs(one.value))
    middle, start = copy.deepcopy(model), model.state_dict()
    end = other.state_dict()
    middle.load_state_dict({name: (1 - farthest.at) * start[name] + farthest.at * end[name] for name in start})
    one, two, between = ([sum(losses(each, text)) for text in texts] for each in (model, other, middle))
    excess = np.array(between) - (1 - farthest.at) * np.array(one) - farthest.at * np.array(two)
    lengths = [len(text) - 1 for text in texts]
    assert farthest.value == pytest.approx(excess.sum() / sum(lengths), rel=1e-9)
    assert farthest.standard_error == pytest.approx(ratio_error(excess, lengths), rel=1e-9)
    assert farthest.standard_error == pytest.approx(resampled(excess, lengths), rel=0.1)


def test_the_losses_of_a_training_over_data_in_parts_are_means_over_tokens():
    model, data, texts = made()
    states = [copy.deepcopy(model.state_dict())]
    for _ in range(3):
        with torch.no_grad():
            for weight in model.parameters():
                weight += 0.1 * torch.randn_like(weight)
        states.append(copy.deepcopy(model.state_dict()))
    options = {"objective": objectives.causal_lm(head="head"), "x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False}
    source = fastscape.pca(states)
    whole, parts = (
        fastscape.surface(model, data, directions=source, precision="float64", **options, **more)
        for more in ({}, {"stream_samples": 15})
    )
    wanted = []
    for state in states:
        model.load_state_dict(state)
        wanted.append(sum(sum(losses(model, text)) for text in texts) / sum(len(text) - 1 for text in texts))
    for found in (whole, parts):
        assert found.paths[0].loss == pytest.approx(wanted, rel=1e-12)
    assert_close(parts.loss, whole.loss)


def test_fewer_texts_are_read_than_by_the_spread_of_their_lengths():
    model, data, _ = made()
    data = [{"input_ids": torch.randint(VOCABULARY, (4, length))} for length in np.resize([4, 9, 14, 25], 200)]
    found = fastscape.line(
        model,
        data,
        objective=objectives.causal_lm(head="head"),
        x=(-1, 1, 3),
        progress=False,
        target_standard_error=0.02,
    )
    said = found.report["standard_error"]
    assert said["met"]
    assert np.max(found.standard_error) <= 0.02 * np.ptp(found.loss)
    assert said["range"] == pytest.approx(np.ptp(found.loss), rel=1e-6)
