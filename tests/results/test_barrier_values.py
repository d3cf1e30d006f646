"""What a line says of barriers, as plain values: arithmetic, matrices, files, and what is refused."""

import json
import pickle

import numpy as np
import pytest

from fastscape import Barrier, Barriers
from fastscape.results import (
    EXCESS_ERRORS,
    BarriersValues,
    BarrierValues,
    Excess,
    Values,
    excess_over_chord,
    farthest_points,
)

T = np.array([0.0, 0.25, 0.5, 1.0])
REPORT = {"samples": 10, "batchnorm": "running", EXCESS_ERRORS: {"loss": [0.25, 0.0]}}


def line(loss=(1.0, 4.0, 3.0, 2.0), accuracy=(0.5, 0.25, 0.75, 0.75), report=REPORT, error=None) -> Values:
    return Values({"x": T}, {"loss": np.array(loss), "accuracy": np.array(accuracy)}, report, error)


def test_excess_is_over_the_chord():
    assert excess_over_chord(line()).tolist() == [0, 2.75, 1.5, 0]
    assert farthest_points(line(), "accuracy") == (2, 1)
    found = BarrierValues(line())
    assert (found.value, found.at, found.standard_error) == (2.75, 0.25, 0.25)
    assert found["loss"].lowest == Excess(0.0, 0.0, 0.0)
    assert found["accuracy"].highest == Excess(0.5, 0.125)
    assert found["accuracy"].lowest == Excess(0.25, -0.3125)
    assert found["accuracy"].farthest == found["accuracy"].lowest
    assert found["loss"].farthest == found["loss"].highest
    assert (found["loss"].start, found["loss"].end) == (1, 2)
    assert (found["loss"].above_mean, found["loss"].below_mean) == (2.5, -0.5)
    assert str(found["loss"].highest) == "2.75 ± 0.25 at t = 0.25"
    assert repr(found) == (
        "BarrierValues(4 points: loss 2.75 ± 0.25 at t = 0.25, lowest 0; accuracy 0.125 at t = 0.5, lowest -0.3125)"
    )


def test_it_is_a_mapping_that_can_be_pickled():
    found = Barrier(line())
    assert list(found) == ["loss", "accuracy"]
    assert len(found) == 2
    again = pickle.loads(pickle.dumps(found))
    assert type(again) is Barrier
    assert again.as_dict() == found.as_dict()
    every = Barriers(("a", "b"), {("a", "b"): found})
    assert pickle.loads(pickle.dumps(every)).as_dict() == every.as_dict()


def test_without_paired_errors_those_of_the_points_bound_that_of_the_loss():
    found = BarrierValues(line(report={}, error=np.array([0.1, 0.2, 0.3, 0.4])))
    assert found.standard_error == pytest.approx(0.2 + 0.75 * 0.1 + 0.25 * 0.4)
    assert not found["loss"].highest.paired
    assert str(found["loss"].highest).startswith("2.75 ± at most 0.38")
    assert found["loss"].lowest.standard_error == 0
    assert found["accuracy"].highest.standard_error is None


def test_what_is_not_finite_is_not_passed_over():
    peak = BarrierValues(line(loss=(1, np.inf, 3, 2), report={}))["loss"]
    assert (peak.highest.value, peak.highest.at, peak.above_mean) == (np.inf, 0.25, np.inf)
    hole = BarrierValues(line(loss=(1, 2, np.nan, 2), report={}))["loss"]
    assert np.isnan([hole.highest.value, hole.lowest.value, hole.farthest.value, hole.above_mean]).all()
    assert hole.highest.at == 0.5
    end = BarrierValues(line(loss=(1, 2, 3, np.inf), report={}))["loss"]
    assert np.isnan(end.highest.value)
    assert end.end == np.inf


@pytest.mark.parametrize(
    "axes",
    [
        {"x": np.array([0.0, 1.0])},
        {"x": np.array([0.1, 0.5, 1.0])},
        {"x": np.array([0.0, 0.5, 0.9])},
        {"x": np.array([0.0, 0.7, 0.5, 1.0])},
        {"x": np.array([0.0, 0.5, 1.0]), "y": np.array([0.0, 0.5, 1.0])},
    ],
)
def test_other_landscapes_are_refused(axes):
    shape = tuple(map(len, axes.values()))
    with pytest.raises(
        ValueError,
        match="the line of a barrier must go from exactly 0 to exactly 1 in at least 3 points,",
    ):
        BarrierValues(Values(axes, {"loss": np.zeros(shape)}))


def test_an_unknown_measure():
    with pytest.raises(ValueError, match="'size' is no measure of this line; it has loss, accuracy"):
        excess_over_chord(line(), "size")
    with pytest.raises(KeyError):
        BarrierValues(line())["size"]


def several() -> BarriersValues:
    pairs = {("a", "b"): line(), ("a", "c"): line((1, 1, 1, 3)), ("b", "c"): line((2, 2, 2, 3), (0.75, 1, 1, 0.75))}
    return BarriersValues(("a", "b", "c"), {names: BarrierValues(one) for names, one in pairs.items()})


def test_matrices():
    found = several()
    assert found.matrix().tolist() == [[0, 2.75, 0], [2.75, 0, 0], [0, 0, 0]]
    assert found.matrix("loss", "lowest").tolist() == [[0, 0, -1], [0, 0, -0.5], [-1, -0.5, 0]]
    assert found.matrix("loss", "farthest").tolist() == [[0, 2.75, -1], [2.75, 0, -0.5], [-1, -0.5, 0]]
    assert found.matrix("accuracy").tolist() == [[0, -0.3125, -0.3125], [-0.3125, 0, 0.25], [-0.3125, 0.25, 0]]
    assert found.standard_errors()[0, 1] == 0.25
    errors = found.standard_errors("accuracy")
    assert np.isnan(errors[0, 1])
    assert errors.diagonal().tolist() == [0, 0, 0]
    assert found.own().tolist() == [1, 2, 3]
    assert found.own("accuracy").tolist() == [0.5, 0.75, 0.75]
    assert found.between("c", "a") is found.pairs["a", "c"]
    assert found.measures == ("loss", "accuracy")
    assert repr(found) == "BarriersValues(3 models, barriers of the loss 0 to 2.75)"


def test_wrong_questions_and_pairs():
    found = several()
    with pytest.raises(ValueError, match="'size' is no measure here; there are loss, accuracy"):
        found.matrix("size")
    with pytest.raises(ValueError, match=r"which must be one of 'highest', 'lowest', 'farthest'.*, got 'mean'"):
        found.matrix("loss", "mean")
    with pytest.raises(ValueError, match=r"\('a', 'd'\) is no pair of two models; there are a, b, c"):
        found.between("a", "d")
    with pytest.raises(ValueError, match=r"models must have at least two names, all different, got \['a', 'a'\]"):
        BarriersValues(("a", "a"), {})
    with pytest.raises(ValueError, match=r"each pair of models must occur once; check \('a', 'c'\)"):
        BarriersValues(("a", "b", "c"), {("a", "b"): BarrierValues(line()), ("b", "c"): BarrierValues(line())})
    other = BarrierValues(Values({"x": T}, {"loss": np.zeros(4)}))
    with pytest.raises(ValueError, match="the pairs have different measures"):
        BarriersValues(("a", "b", "c"), {**found.pairs, ("b", "c"): other})


ODD = line((1, np.nan, np.inf, 1e-320), error=np.array([0.1, np.nan, 0.2, 0.3]))


@pytest.mark.parametrize("made", [Barrier(line()), Barrier(ODD), Barriers.of(several())])
def test_what_is_saved_is_read_again_as_it_was(made, tmp_path):
    kind = type(made)
    again = kind.load(made.save(tmp_path / "new" / "kept.json"))
    assert json.dumps(again.as_dict()) == json.dumps(made.as_dict())
    assert str(again) == str(made)
    with pytest.raises(ValueError, match="the name of the file of"):
        made.save(tmp_path / "kept.npz")


def test_files_that_are_no_barrier(tmp_path):
    path = Barrier(line()).save(tmp_path / "barrier.json")
    plain = json.loads(path.read_text())
    broken = {
        "does not name itself": {**plain, "format": "fastscape-barriers"},
        "it has version 9": {**plain, "version": 9},
        r"is no barrier \(the line of a barrier must go from exactly 0 to exactly 1 in at least 3 points,": {
            **plain,
            "t": [0, 0.25, 0.5, 2],
        },
        r"is no barrier \(loss must have shape \(2,\), the lengths of the axes, got \(4,\)\);": {**plain, "t": [0, 1]},
        r"is no barrier \(the axis x must have each coordinate once\); give a file that Barrier\.save has": {
            **plain,
            "t": [0, 0.5, 0.5, 1],
        },
        "it has no loss": {**plain, "measures": {"accuracy": plain["measures"]["accuracy"]}},
        r"is no barrier \(its report must be facts by name, got 3\)": {**plain, "report": 3},
        "must be two numbers": {**plain, "report": {EXCESS_ERRORS: {"loss": [1]}}},
        r"is no barrier \(the standard errors of 'loss' must be two numbers, got \['a', 1\]\); give a file": {
            **plain,
            "report": {EXCESS_ERRORS: {"loss": ["a", 1]}},
        },
        "no barrier": {"format": plain["format"], "version": 1},
        "is no barrier": {**plain, "measures": {"loss": "much"}},
        "is no barrier ": {**plain, "report": {EXCESS_ERRORS: [1]}},
    }
    for said, content in broken.items():
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=said):
            Barrier.load(path)
    path = Barriers.of(several()).save(tmp_path / "barriers.json")
    plain = json.loads(path.read_text())
    for content in ({**plain, "names": ["a", "b"]}, {**plain, "pairs": 3}, {**plain, "pairs": [{"a": "a", "b": "b"}]}):
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="holds no barriers"):
            Barriers.load(path)


def test_panels_hold_what_belongs_together():
    grids = {name: np.zeros(4) for name in ("loss", "loss of class 3", "loss of test", "loss of class 3 of test")}
    found = BarrierValues(Values({"x": T}, grids, {"data_sets": {"train": {}, "test": {}}}))
    assert found.panels == {
        "loss": {"train": "loss", "test": "loss of test"},
        "loss of class 3": {"train": "loss of class 3", "test": "loss of class 3 of test"},
    }
    assert BarrierValues(line()).panels == {"loss": {"": "loss"}, "accuracy": {"": "accuracy"}}
