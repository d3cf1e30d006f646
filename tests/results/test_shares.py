"""Standard errors and intervals of shares of samples."""

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
from fastscape import Landscape
from fastscape.results import binomial_error, wilson_interval

MODEL, INPUTS, TARGETS = nn.Linear(4, 3), torch.rand(40, 4), torch.arange(40) % 3
GRID = {"x": (-1.0, 1.0, 3), "y": (0.0, 1.0, 2), "progress": False}


def test_a_run_says_which_measures_are_shares_and_of_how_many_samples():
    metrics = {
        "accuracy": fastscape.accuracy,
        "margin": lambda o, t: o.max(1).values,
        "first": lambda o, t: o[:, 0] > 0,
    }
    found = fastscape.surface(MODEL, (INPUTS, TARGETS), metrics=metrics, **GRID)
    assert found.report["shares"] == {"accuracy": 40, "first": 40}
    p = found.values["first"]
    np.testing.assert_allclose(found.binomial_error("first"), np.sqrt(p * (1 - p) / 40), rtol=1e-12)
    assert "shares" not in fastscape.surface(MODEL, (INPUTS, TARGETS), **GRID).report


def test_data_sets_and_classes_have_their_own_numbers():
    data = fastscape.DataSets(train=(INPUTS, TARGETS), test=(INPUTS[:9], TARGETS[:9]))
    found = fastscape.surface(MODEL, data, metrics={"accuracy": fastscape.accuracy}, per_class=[0, 2], **GRID)
    assert found.report["shares"] == {
        "accuracy": 40, "accuracy of class 0": 14, "accuracy of class 2": 13,
        "accuracy of test": 9, "accuracy of class 0 of test": 3, "accuracy of class 2 of test": 3,
    }  # fmt: skip
    assert found.binomial_error("accuracy of class 2 of test").shape == (3, 2)


def test_data_in_parts_count_all_samples(tmp_path):
    options = {"metrics": {"accuracy": fastscape.accuracy}, "stream_samples": 16, **GRID}
    found = fastscape.surface(MODEL, (INPUTS, TARGETS), **options)
    assert found.report["shares"] == {"accuracy": 40}
    again = Landscape.load(found.save(tmp_path / "found.npz"))
    assert np.array_equal(again.binomial_error(), found.binomial_error())


def test_an_interval_has_the_share_as_often_as_it_says():
    """By the distribution itself, with nothing drawn: n is 30, and p any share."""
    from math import comb

    n, counts = 30, np.arange(31)
    made = Landscape(counts.astype(float), None, counts / n, {"hits": counts / n}, {"shares": {"hits": n}})
    for confidence in (0.8, 0.95):
        low, high = made.wilson_interval("hits", confidence)
        assert (low <= counts / n + 1e-12).all()
        assert (high >= counts / n - 1e-12).all()
        often = []
        for p in np.linspace(0.02, 0.98, 97):
            chance = np.array([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
            often.append(chance[(low <= p) & (p <= high)].sum())
        assert abs(np.mean(often) - confidence) < 0.02


def test_predictions_outside_of_shares_and_what_is_no_number():
    grids = {"hits": np.array([1.01, -0.01, np.nan])}
    made = Landscape(np.arange(3.0), None, np.zeros(3), grids, {"shares": {"hits": 5}})
    assert np.array_equal(made.binomial_error("hits"), [0.0, 0.0, np.nan], equal_nan=True)
    assert np.isnan(wilson_interval(made, "hits")[0][2])


@pytest.mark.parametrize("report", [{}, {"shares": 3}, {"shares": {"hits": "many"}}, {"shares": {"hits": 0}}])
def test_what_is_no_share_is_refused(report):
    made = Landscape(np.arange(3.0), None, np.zeros(3), {"hits": np.zeros(3)}, report)
    with pytest.raises(ValueError, match="metric='hits' is no share of samples; those of this landscape are"):
        binomial_error(made, "hits")
    with pytest.raises(ValueError, match=r"confidence must be .*, got 1"):
        made.wilson_interval("hits", 1)
