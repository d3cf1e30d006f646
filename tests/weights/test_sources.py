"""What `directions=` accepts, and what a source brings along besides vectors."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
from fastscape import Landscape, Plan
from fastscape.results import Trajectory
from fastscape.weights import Directions, Random, Source, direction_given, source_of

GRID = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False, "plan": fastscape.Plan("loop", 4)}
DATA = torch.rand(6, 3), torch.arange(6) % 2


@dataclass(frozen=True)
class Steps:
    """A source as a user would write it: two steps of a training, and the way that it took."""

    first: torch.Tensor
    second: torch.Tensor
    perturb: str = "weights"
    normalize: str | None = "none"

    @property
    def facts(self):
        return {"directions": "steps", "distribution": None, "seed": None, "steps": 2}

    def directions(self, layout, theta, axes):
        given = [direction_given(layout, v) for v in (self.first, self.second)][:axes]
        path = Trajectory("sgd", np.array([[0.0, 0.0], [0.5, -0.5], [1.0, 2.0]])[:, :axes])
        labels = ["step 1", "step 2"][:axes]
        marks = {"the end": [1.0, 0.5][:axes], "the start": [0.0, -1.0][:axes]}
        return Directions([lambda out, d=d: out.copy_(d) for d in given], labels, marks, [path])


def model() -> nn.Module:
    return nn.Linear(3, 2)


STEPS = Steps(torch.ones(6), torch.arange(6.0))


def test_a_source_of_the_users_own_gives_vectors_labels_marks_and_paths(tmp_path):
    net = model()
    found = fastscape.surface(net, DATA, directions=STEPS, **GRID)
    given = fastscape.surface(net, DATA, directions=[torch.ones(6), torch.arange(6.0)], **GRID)
    assert found.loss.tobytes() == given.loss.tobytes()
    back = Landscape.load(found.save(tmp_path / "a.npz"))
    for one in (found, back):
        assert one.labels == {"x": "step 1", "y": "step 2"}
        assert one.marks == {"the model": (0.0, 0.0), "the end": (1.0, 0.5), "the start": (0.0, -1.0)}
        assert [path.name for path in one.paths] == ["sgd"]
        np.testing.assert_array_equal(one.paths[0].points, [[0, 0], [0.5, -0.5], [1, 2]])
        assert one.report["directions"] == "steps"
        assert one.report["steps"] == 2
    again = found.reproduce(net, DATA, directions=STEPS, progress=False)
    assert again.loss.tobytes() == found.loss.tobytes()
    with pytest.raises(ValueError, match=r"the directions were given.*directions=\[...\]"):
        found.reproduce(net, DATA)


def test_along_a_line_it_gives_one():
    found = fastscape.line(model(), DATA, directions=STEPS, x=(-1, 2, 4), progress=False)
    assert found.labels == {"x": "step 1"}
    assert found.marks == {"the model": (0.0,), "the end": (1.0,)} | {"the start": (0.0,)}
    assert found.paths[0].points.shape == (3, 1)


def test_marks_that_the_scheme_does_not_pass_through_are_left_out():
    """On the way of `linear2x` a coordinate is a mixture, and no multiple of a direction."""
    with pytest.warns(UserWarning, match=r"^(the (end|start)|the path sgd) is not (marked|drawn), as ") as given:
        found = fastscape.surface(model(), DATA, directions=STEPS, scheme="linear2x", **GRID)
    assert list(found.marks) == ["the model"]
    assert found.paths == []
    assert len(found.report["warnings"]) == len(given) == 3
    assert "scheme='linear2x' does not lead to it" in found.report["warnings"][-1]


def test_without_labels_the_axes_are_numbered():
    found = fastscape.surface(model(), DATA, directions=(model(), torch.ones(8)), **GRID)
    assert found.labels == {"x": "direction 1", "y": "direction 2"}
    assert list(found.marks) == ["the model", "model B"]
    assert found.report["directions"] == ["between models", "given"]
    assert found.paths == []


def test_the_family():
    random = Random(3)
    assert source_of(None, random, 2) is random
    assert source_of(STEPS, random, 2) is STEPS
    assert isinstance(random, Source)
    assert isinstance(source_of([torch.ones(3)], random, 1), Source)
    assert not isinstance(model(), Source)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("x", TypeError, "directions must be a list or tuple of 2.*, got str"),
        (
            torch.ones(6),
            ValueError,
            r"directions must be of shape \(2, P\), one row per axis, got one Tensor of shape \(6,\)",
        ),
        (np.ones((3, 6)), ValueError, "directions must be 2, one per axis, got 3"),
        (np.ones((2, 5)), ValueError, r"a direction must have shape \(6,\).*, got \(5,\)"),
        (
            [[torch.ones(3, 2)], torch.ones(6)],
            ValueError,
            r"a direction must be 1 tensors of shapes \[\(2, 3\)\], as weight, got a list of 1 of shapes \[\(3, 2\)\]",
        ),
        ([[torch.ones(2, 3), 1.0], torch.ones(6)], TypeError, "a direction must be a module, a dict of.*, got list"),
        ([torch.ones(6)], ValueError, "directions must be 2, one per axis, got 1"),
        ([torch.ones(6), 3], TypeError, "a direction must be a module, a dict of tensors by name.*, got int"),
    ],
)
def test_what_is_no_source(given, error, message):
    with pytest.raises(error, match=message):
        fastscape.surface(model(), DATA, directions=given, **GRID)


@pytest.mark.parametrize("kind", ["tensor", "array", "arrays", "lists", "frozen"])
def test_vectors_in_every_form(kind):
    net, wanted = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), torch.arange(20.0).view(2, 10) / 10
    forms = {
        "tensor": wanted,
        "array": wanted.numpy(),
        "arrays": [row.double().numpy() for row in wanted],
        "lists": [[row[:6].view(2, 3), row[6:].view(2, 2)] for row in wanted],
        "frozen": np.frombuffer(wanted.numpy().tobytes(), dtype=np.float32).reshape(2, 10),
    }
    exact = fastscape.surface(net, DATA, directions=list(wanted), **GRID)
    found = fastscape.surface(net, DATA, directions=forms[kind], **GRID)
    assert found.loss.tobytes() == exact.loss.tobytes()


def test_a_line_along_one_vector():
    net = model()
    axis = {"x": (-1, 1, 3), "progress": False}
    exact = fastscape.line(net, DATA, directions=[torch.arange(6.0)], **axis)
    for given in (torch.arange(6.0), np.arange(6.0), torch.arange(6.0)[None]):
        assert fastscape.line(net, DATA, directions=given, **axis).loss.tobytes() == exact.loss.tobytes()


def test_a_source_with_another_number_of_directions_is_refused():
    class One(Steps):
        def directions(self, layout, theta, axes):
            return super().directions(layout, theta, 1)

    with pytest.raises(ValueError, match="the source of the directions must give 2 directions, one per axis, got 1"):
        fastscape.surface(model(), DATA, directions=One(torch.ones(6), torch.ones(6)), **GRID)


def test_a_source_with_another_number_of_labels_is_refused():
    class Labelled(Steps):
        def directions(self, layout, theta, axes):
            return replace(super().directions(layout, theta, axes), labels=["one"])

    with pytest.raises(ValueError, match="the source of the directions must give 2 labels, one per axis, got 1"):
        fastscape.surface(model(), DATA, directions=Labelled(torch.ones(6), torch.ones(6)), **GRID)


def test_random_directions_that_are_given_are_those_that_are_taken():
    common = {"x": (-1, 1, 3), "progress": False, "plan": Plan("loop", 1)}
    network = model()
    given = fastscape.line(network, DATA, directions=Random(3), **common)
    asked = fastscape.line(network, DATA, seed=3, **common)
    assert given.loss.tobytes() == asked.loss.tobytes()
    assert given.report["scheme"] == asked.report["scheme"] == "line"
    low = fastscape.line(network, DATA, directions=Random(3), low_memory=True, **common)
    assert np.allclose(low.loss, asked.loss, rtol=1e-5, atol=0)


def test_low_memory_is_for_random_directions():
    with pytest.raises(
        ValueError, match="low_memory=True computes random directions again at every use, and directions were given"
    ):
        fastscape.surface(model(), DATA, directions=STEPS, low_memory=True, **GRID)


@pytest.mark.parametrize(("name", "value"), [("seed", 3), ("distribution", "uniform")])
def test_what_is_for_random_directions_alone_is_said(name, value):
    steps = torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0, 2.0])
    for given in ({"directions": [steps]}, {"to": model()}, {"directions": Random(4)}):
        with pytest.warns(
            UserWarning, match=f"^{name}={value!r} does nothing: it is for random directions, and directions"
        ):
            found = fastscape.line(model(), DATA, x=(0, 1, 2), progress=False, **given, **{name: value})
        assert len(found.report["warnings"]) == 1
    assert fastscape.line(model(), DATA, x=(0, 1, 2), progress=False, **{name: value}).report["warnings"] == []


def test_a_source_may_say_which_models_lie_at_its_marks():
    net, end = model(), model()
    net.register_buffer("table", torch.tensor([1]))
    end.register_buffer("table", torch.tensor([2]))

    class Ending(Steps):
        def directions(self, layout, theta, axes):
            return replace(super().directions(layout, theta, axes), models={"the end": end})

    with pytest.warns(
        UserWarning, match=r"^the end does not lie in this plane, .* bias, table, where nothing moves; write"
    ):
        found = fastscape.surface(net, DATA, directions=Ending(STEPS.first, STEPS.second), **GRID)
    assert list(found.marks) == ["the model", "the start"]
    with pytest.warns(UserWarning, match=r"normalize='layer'") as given:
        found = fastscape.surface(model(), DATA, directions=STEPS, normalize="layer", **GRID)
    assert list(found.marks) == ["the model"]
    said = "\n".join(str(one.message) for one in given)
    assert "does not lie at its coordinates, and is not marked: normalize='layer' gives" in said
    assert "the path sgd is not drawn, as normalize='layer' and scheme='plane' do not lead to its points" in said


@pytest.mark.parametrize("drawn", [{"marks": {"the end": [1.0]}}, {"paths": [Trajectory("sgd", np.zeros((4, 3)))]}])
def test_what_lies_in_another_space_is_refused_before_the_run(drawn):
    """A file with such marks could not be read again."""

    class Other(Steps):
        def directions(self, layout, theta, axes):
            return replace(super().directions(layout, theta, axes), **drawn)

    with pytest.raises(ValueError, match="the source of the directions must give"):
        fastscape.surface(model(), DATA, directions=Other(STEPS.first, STEPS.second), **GRID)


def test_labels_and_names_of_paths_are_text_in_a_report(tmp_path):
    class Numbered(Steps):
        def directions(self, layout, theta, axes):
            found = super().directions(layout, theta, axes)
            return replace(found, labels=[1, 2], paths=[Trajectory(3, np.zeros((2, 2)))])

    one = fastscape.surface(model(), DATA, directions=Numbered(STEPS.first, STEPS.second), **GRID)
    again = Landscape.load(one.save(tmp_path / "a.npz"))
    assert again.labels == one.labels == {"x": "1", "y": "2"}
    assert [path.name for path in again.paths] == ["3"]
