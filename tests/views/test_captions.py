"""The text below a figure: each fact of a report at its place, and nothing that it does not hold."""

import itertools
import json

import numpy as np
import pytest
import torch

import fastscape
from fastscape import Landscape
from fastscape.results import SECTIONS, Values

AXIS = np.linspace(-1, 1, 5)
LOSS = 1 + AXIS[:, None] ** 2 + AXIS**2
RUN = {
    "model": "Net", "parameters": 131, "perturbed": 112, "perturb": "weights", "loss": "torch.nn.functional.mse_loss",
    "objective": None, "metrics": {"accuracy": "fastscape.accuracy"}, "samples": 200, "data_sets": None,
    "directions": "random", "distribution": "normal", "seed": 2**64 - 1, "normalize": "filter", "scheme": "plane",
    "marks": {"the model": [0.0, 0.0]}, "centre": {"loss": 1.0}, "stream": None, "reach": None,
    "precision": "float32", "precision_error": None, "batchnorm": "running", "training": False,
    "versions": {"fastscape": "0.1.0", "torch": "2.15"},
}  # fmt: skip


def plane(**facts) -> Landscape:
    return Landscape(AXIS, AXIS, LOSS, {"accuracy": LOSS / 10}, {**RUN, **facts}, LOSS / 100)


def line(**facts) -> Landscape:
    return Landscape(AXIS, None, LOSS[2], report={**RUN, "marks": {"the model": [0.0]}, "scheme": "line", **facts})


def test_a_plane_word_by_word():
    assert plane().caption() == (
        "Shown is the loss (torch.nn.functional.mse_loss) of Net on 200 samples, on a log10 scale; at the model it is "
        "1. The axes run along random directions (normal, seed 18446744073709551615), filter-normalised; 112 of 131 "
        "parameters move (weights). The grid has 5 x 5 points, from -1 to 1 along x and y; the standard error of the "
        "loss over samples is from 0.01 to 0.03. Computed in float32 by fastscape 0.1.0."
    )


def test_what_was_made_by_hand_says_what_it_is_and_no_more():
    assert Landscape(AXIS, AXIS[:3], LOSS[:, :3]).caption() == (
        "Shown is the loss, on a log10 scale. "
        "The grid has 5 x 3 points, from -1 to 1 along x and from -1 to 0 along y."
    )
    assert Landscape(AXIS, AXIS[:1], np.full((5, 1), np.nan)).caption() == (
        "Shown is the loss, on a linear scale. The grid has 5 x 1 points, from -1 to 1 along x and at -1 along y; "
        "5 of 5 points have no value (left out)."
    )


def test_the_scale_is_that_of_the_picture():
    assert "log10 scale" in plane().caption()
    assert plane().contour().figure.axes[1].get_ylabel() == "log10 loss"
    assert "linear scale" in plane().caption(log=False)
    assert "linear scale" in line().caption()
    assert line().plot().get_ylabel() == "loss"
    assert "log10 scale" in line().caption(log=True)
    assert "linear scale" in Landscape(AXIS, AXIS, LOSS - 2).caption()  # a loss below 0


def test_another_measure_has_its_own_function_value_and_no_standard_error_of_the_loss():
    said = plane().caption("accuracy")
    assert said.startswith("Shown is accuracy (fastscape.accuracy) of Net on 200 samples, on a linear scale; at the ")
    assert "at the model it is 0.1." in said
    assert "standard error" not in said
    with pytest.raises(ValueError, match="metric must be one of loss, accuracy, got 'f1'"):
        plane().caption("f1")
    with pytest.raises(ValueError, match="log must be True, False or None, got 'yes'"):
        plane().caption(log="yes")


def test_of_several_data_sets_the_samples_are_those_of_the_measure():
    sets = {"train": {"samples": 150}, "test": {"samples": 1}}
    both = Landscape(AXIS, None, LOSS[0], {"loss of test": LOSS[1]}, {"samples": 151, "data_sets": sets})
    assert both.caption().startswith('Shown is the loss on 150 samples of "train", on')
    assert both.caption("loss of test").startswith('Shown is the loss of test on 1 sample of "test", on')


def test_the_loss_at_the_model_is_of_the_model_alone():
    assert "at the model it is 2." in plane(marks={"the model": [1.0, 0.0]}).caption()  # where the grid has it
    assert "at the model it is 7." in plane(marks={"the model": [0.1, 0.0]}, centre={"loss": 7.0}).caption()
    assert "at the model" not in plane(marks={"the model": [0.1, 0.0]}).caption("accuracy")
    assert "at the model" not in plane(marks={}, stream=64).caption()  # that of the first 64 samples alone
    assert "at the model" not in Landscape(AXIS, AXIS, LOSS).caption()  # nobody said where it is
    some = np.ones((5, 5), bool)
    some[2, 2] = False
    assert "at the model" not in Landscape(AXIS, AXIS, LOSS, report=RUN, evaluated=some).caption()  # predicted


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"directions": ["between models", "given"], "distribution": None, "seed": None, "normalize": "none"},
         "Of the axes one runs to another model and one runs along a given direction, not normalised; 112"),
        ({"directions": ["given", "between models", "given"], "distribution": None, "seed": None, "sections": [{}]},
         "Of the axes 2 run along given directions and one runs to another model, filter-normalised; 112"),
        (
            {"directions": ["between models"] * 2, "distribution": None, "seed": None, "normalize": "none"},
            "The axes run to other models, not normalised; 112",
        ),
        ({"directions": "through three models", "seed": None, "distribution": None, "plane": {"orthonormal": True}},
         "The axes lie in the plane through three models, orthonormal; 112"),
        ({"directions": "hessian", "distribution": None, "seed": None, "plane": {"eigenvalues": [2.0, 1.0]}},
         "The axes run along eigenvectors of the hessian, filter-normalised; 112"),
        ({"directions": "bezier curve", "distribution": None, "seed": None},
         "The axes lie in the plane of a bezier curve, filter"),
        ({"directions": "new", "seed": 3}, 'The axes run along directions of the kind "new" (normal, seed 3), filter'),
        ({"scheme": "barycentric", "normalize": "own"}, ', norm own, combined by the scheme "barycentric"; 112'),
        ({"perturb": "states", "perturbed": 140}, "; 140 numbers in parameters and buffers move (states). The"),
        ({"perturbed": 262}, "; 262 numbers move (weights). The"),  # two for each complex one
        ({"directions": None}, "at the model it is 1. 112 of 131 parameters move (weights). The grid"),
        ({"reach": {"y": {"reach": 1.0}}}, "from -1 to 1 along x and from -1 to 1 (found automatically) along y"),
        ({"precision": "bfloat16", "precision_error": {"largest": 0.012}, "batchnorm": "batch", "training": True},
         "Computed in bfloat16 (off by up to 0.012 of the largest loss at the checked points) with "
         'batchnorm="batch" in training mode by fastscape 0.1.0.'),
        ({"loss": None, "objective": "my.module.f"}, "Shown is the loss (my.module.f) of Net on"),
    ],
)  # fmt: skip
def test_each_kind_of_run(facts, said):
    assert said in plane(**facts).caption()


def test_a_line_has_one_axis():
    assert "The axis runs along a random direction (normal, seed" in line().caption()
    assert (
        "The axis runs to another model, filter"
        in line(directions=["between models"], distribution=None, seed=None).caption()
    )
    assert "The grid has 5 points, from -1 to 1 along x. Computed" in line().caption()


def test_repeats_are_said_with_both_errors():
    stack = np.stack([LOSS, LOSS + 1])
    mean = Landscape(AXIS, AXIS, stack.mean(0), None, RUN, LOSS / 100, repeats={"loss": stack}).caption()
    assert (
        "each value is the mean of 2 pairs of random directions, with a standard error of at most 0.5 over "
        "directions and 0.03 over samples. Computed"
    ) in mean
    assert "over samples is" not in mean


def test_of_a_tolerance_it_says_how_many_were_evaluated_and_how_good_the_others_are():
    some = np.ones((5, 5), bool)
    some[1, 1:4] = False
    found = {"rms": 0.0123, "at_most": 0.02, "tolerance": 0.05, "widest_gap": 2, "met": True, "scale": "log10"}
    made = Landscape(AXIS, AXIS, LOSS, None, {**RUN, "refinement": found}, evaluated=some)
    assert (
        "along x and y; 22 of 25 points were evaluated, the rest predicted with an rms error of 0.012 (at most "
        "0.02) of the range of log10 of the loss, within the tolerance of 0.05; features narrower than 3 grid "
        "steps may be "
        "missed. Computed"
    ) in made.caption()


def test_volumes_and_their_sections():
    loss = 1 + AXIS[:, None, None] ** 2 + AXIS[:, None] ** 2 + (AXIS - 1) ** 2
    report = {**RUN, "marks": {"the model": [0.0, 0.0, 0.0]}}
    volume = Landscape.of(Values({"x": AXIS, "y": AXIS, "z": AXIS}, {"loss": loss}, report))
    assert "The grid has 5 x 5 x 5 points, from -1 to 1 along x, y and z" in volume.caption()
    assert "at the model it is 2." in volume.caption()
    through = volume.slice(z=0.0).caption()
    assert "The grid has 5 x 5 points (slice at z = 0), from -1 to 1 along x and y" in through
    assert "at the model it is 2." in through
    beside, lowest = volume.slice(z=0.5).caption(), volume.project("z").caption()
    assert "at the model" not in beside  # nor the centre of the report, which is none of the slice
    assert "(smallest loss along z)" in lowest
    assert "at the model" not in lowest  # the smallest loss above the model is 1
    assert "The axes run along random directions" in volume.slice(y=0.0, z=0.0).caption()  # those of the volume


def test_of_a_run_it_says_what_was_computed():
    model = torch.nn.Linear(3, 2)
    data = torch.rand(10, 3), torch.arange(10) % 2
    found = fastscape.surface(model, data, x=(-1, 1, 3), y=(0, 1, 2), seed=5, normalize="layer", progress=False)
    said = found.caption()
    own = torch.nn.functional.cross_entropy(model(data[0]), data[1]).item()
    assert f"of Linear on 10 samples, on a log10 scale; at the model it is {own:.4g}." in said
    assert "random directions (normal, seed 5), layer-normalised; 6 of 8 parameters move (weights)." in said
    assert "The grid has 3 x 2 points, from -1 to 1 along x and from 0 to 1 along y;" in said
    assert said.endswith(f"Computed in float32 by fastscape {found.report['versions']['fastscape']}.")
    assert "standard error of the loss over samples is from" in said


ODD = [
    None, True, -1, 10**400, float("nan"), float("inf"), "", "text", "a\nb\ud800", "L" * 100_000, [], [[]], [None, 3],
    ["random"] * 1000, {}, {"": None}, {"kind": "slice"}, [{"kind": "slice", "at": 3}], {"the model": [10**400, None]},
    {"fastscape": 3, "largest": "much", "loss": [1], "samples": True, "accuracy": {}}, {"a": {"samples": -3}},
]  # fmt: skip
READ = [*RUN, "plane", "refinement", SECTIONS, "progress", "labels", "paths"]


@pytest.mark.parametrize("name", READ)
def test_a_damaged_report_is_no_error(name):
    some = np.ones((5, 5), bool)
    some[0, 0] = False
    for odd, metric in itertools.product(ODD, ("loss", "accuracy")):
        report = {**RUN, name: odd}
        made = Landscape(AXIS, AXIS, LOSS, {"accuracy": LOSS}, report, LOSS / 9, some)
        said = made.caption(metric)
        assert said.startswith("Shown is ")
        assert said.isprintable()
        assert len(said) < 2000
        json.dumps(said).encode("ascii")
        said.encode("utf-8")
