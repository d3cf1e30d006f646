"""Another model, as a module, in a wrapper, or as a state dict: at 1 lies that model, or it is said and not marked."""

import copy
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

import fastscape
from fastscape.weights import direction_between, layout_of

DATA = torch.rand(9, 4), torch.arange(9) % 3
LINE = {"x": (0, 1, 3), "progress": False, "precision": "float64"}


def model_of(seed: int) -> nn.Module:
    """A network with batch normalisation, as a training leaves it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
        for _ in range(3 + seed):  # another number of steps
            made(torch.randn(8, 4))
    return made.eval()


def loss_of(model: nn.Module) -> float:
    with torch.no_grad():
        return F.cross_entropy(copy.deepcopy(model).double().eval()(DATA[0].double()), DATA[1]).item()


A, B = model_of(0), model_of(1)


def state(model: nn.Module, prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in model.state_dict().items()}


FORMS = {
    "module": lambda: B,
    "state dict": B.state_dict,
    "plain dict": lambda: state(B),
    "DataParallel": lambda: nn.DataParallel(B),
    "AveragedModel": lambda: AveragedModel(B),
    "compiled": lambda: torch.compile(B),
    "twice": lambda: AveragedModel(torch.compile(B)),
    "one part compiled": lambda: nn.Sequential(torch.compile(B[0]), *B[1:]),
    "state dict of DataParallel": lambda: state(B, "module."),
    "state dict of AveragedModel": lambda: AveragedModel(B).state_dict(),
    "without counters": lambda: {n: t for n, t in state(B).items() if "num_batches" not in n},
    "in half precision": lambda: {n: t.bfloat16() if t.is_floating_point() else t for n, t in state(B).items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_other_model_lies_at_one(form):
    rounded = copy.deepcopy(B).bfloat16() if form == "in half precision" else B
    found = fastscape.line(A, DATA, to=FORMS[form](), **LINE)
    assert found.loss[0] == pytest.approx(loss_of(A), rel=1e-12)
    assert found.loss[-1] == pytest.approx(loss_of(rounded), rel=1e-12)
    assert found.marks == {"the model": (0.0,), "model B": (1.0,)}
    assert found.report["warnings"] == []
    assert found.report["directions"] == ["between models"]


@pytest.mark.parametrize("wrap", [nn.DataParallel, AveragedModel, torch.compile])
def test_modules_among_the_directions_may_be_wrapped(wrap):
    found = fastscape.surface(A, DATA, directions=[wrap(B), model_of(2)], x=(0, 1, 2), y=(0, 1, 2), progress=False)
    assert found.loss[1, 0] == pytest.approx(loss_of(B), rel=1e-5)
    assert list(found.marks) == ["the model", "model B", "model C"]


def test_a_wrapped_model_finds_one_that_is_not():
    found = fastscape.line(AveragedModel(A), DATA, to=B, **LINE)
    assert found.loss[-1] == pytest.approx(loss_of(B), rel=1e-12)
    assert found.marks["model B"] == (1.0,)
    assert "module.0.weight" in found.report["moving"]


def test_a_tied_model_and_a_state_dict_that_names_the_weight_twice():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.weight = self.a.weight
            self.register_buffer("angles", torch.rand(4), persistent=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x).relu()) + self.angles

    one, two = Tied(), Tied()
    two.angles = one.angles
    found = fastscape.line(one, DATA, to=two.state_dict(), **LINE)
    assert found.loss[-1] == pytest.approx(loss_of(two), rel=1e-12)
    assert found.report["moving"] == ["a.weight", "a.bias", "b.bias", "angles"]
    assert found.report["untouched"] == []
    assert found.report["still"] == ["angles"]  # no state dict holds it, so it is that of the model
    apart = {**two.state_dict(), "b.weight": torch.zeros(4, 4)}
    with pytest.warns(UserWarning, match=r"model B .*: it differs in b\.weight \(tied to a\.weight\), where"):
        assert list(fastscape.line(one, DATA, to=apart, **LINE).marks) == ["the model"]


@pytest.mark.parametrize(
    ("to", "error", "message"),
    [
        ([B], TypeError, r"to must be a torch\.nn\.Module of the same architecture, .* file with one, got list; a"),
        (torch.ones(3), TypeError, "to must be a torch.nn.Module.*, got Tensor"),
        (
            {"epoch": 3, "model": state(B)},
            TypeError,
            "to must be a state dict, tensors by name, got a dict that holds 'epoch', 'model': write",
        ),
        ({"model": B}, TypeError, r"write to=checkpoint\['model'\]"),
        ({**state(B), "0.bias": np.zeros(5)}, TypeError, r"0\.bias of the state dict must be a torch.*, got ndarray"),
        (
            {"0.weight": B[0].weight},
            ValueError,
            r"the state dict must come from a model of the same architecture, with 0\.weight, 0\.bias,",
        ),
        (
            {**state(B), "4.weight": torch.ones(2)},
            ValueError,
            r"the state dict must come from a model of the same architecture, with 0\.weight, 0\.bias,",
        ),
        ({**state(B), "0.bias": torch.zeros(6)}, ValueError, r"0\.bias must have shape \(5,\).*, got \(6,\)"),
        (
            nn.Sequential(B[0]),
            ValueError,
            r"the other model, a Sequential, must be a model of the same architecture, but has no 1\.weight,",
        ),
        (
            nn.Sequential(*B, nn.Linear(3, 3)),
            ValueError,
            r"the other model must have the same architecture, but the Sequential also has 4\.weight, 4\.bias",
        ),
        (
            copy.deepcopy(B).to("meta"),
            ValueError,
            r"the other model has no values of 0\.weight, .*on the device 'meta",
        ),
    ],
)
def test_what_is_no_other_model_is_refused(to, error, message):
    with pytest.raises(error, match=message) as caught:
        fastscape.line(A, DATA, to=to, **LINE)
    assert len(str(caught.value)) < 300


def test_a_model_on_no_device_is_refused():
    for options in ({}, {"device": "cpu"}):
        with pytest.raises(ValueError, match=r"^the model has no values of 0\.weight, 0\.bias, .*on the device"):
            fastscape.line(copy.deepcopy(A).to("meta"), DATA, **options, **LINE)
    with pytest.raises(ValueError, match=r"a direction has no values of 0\.weight"):
        given = {name: tensor.to("meta") for name, tensor in A.named_parameters() if tensor.dim() > 1}
        fastscape.line(A, DATA, directions=[given], **LINE)


def test_a_dict_among_the_directions_is_a_direction():
    given = {name: torch.ones_like(p) for name, p in A.named_parameters()}
    found = fastscape.line(A, DATA, directions=[given], perturb="all", **LINE)
    moved = copy.deepcopy(A).double()
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(1)
    assert found.loss[-1] == pytest.approx(loss_of(moved), rel=1e-12)
    assert list(found.marks) == ["the model"]
    with pytest.raises(
        TypeError, match=r"a direction must be a plain dict, as dict\(direction\) makes it, got the state dict of a"
    ):
        fastscape.line(A, DATA, directions=[B.state_dict()], perturb="all", **LINE)
    with pytest.raises(
        ValueError, match=r"a direction must have tensors for 0\.weight, 3\.weight; 0\.bias does not move: choose with"
    ):
        fastscape.line(A, DATA, directions=[given], **LINE)


def test_a_vector_has_no_place_for_buffers():
    found = fastscape.line(A, DATA, directions=[torch.ones(53)], perturb="all", **LINE)
    by_name = {name: torch.ones_like(p) for name, p in A.named_parameters()}
    assert np.array_equal(found.loss, fastscape.line(A, DATA, directions=[by_name], perturb="all", **LINE).loss)
    message = r"a direction without names cannot be used while buffers move too \(1\.running_mean,"
    with pytest.raises(ValueError, match=message):
        fastscape.line(A, DATA, directions=[torch.ones(63)], perturb="states", **LINE)
    with pytest.raises(ValueError, match=message):
        fastscape.surface(A, DATA, directions=[B, torch.ones(53)], progress=False)


def test_direction_between_takes_the_same():
    layout = layout_of(A, "states")
    wanted = direction_between(layout, A, B)
    for form in ("state dict", "AveragedModel"):
        assert torch.equal(direction_between(layout, A, FORMS[form]()), wanted)


def test_reproduce_takes_the_other_model_as_the_line_did():
    made = fastscape.line(A, DATA, to=B.state_dict(), **LINE)
    for again in ({"to": B.state_dict()}, {"to": B}, {"directions": [B]}):
        assert np.array_equal(made.reproduce(A, DATA, **again).loss, made.loss)
    with pytest.raises(ValueError, match=r"give them again: directions=\[\.\.\.\], to=\.\.\. or along=\.\.\.$"):
        made.reproduce(A, DATA)
    with pytest.raises(
        ValueError,
        match="to and directions cannot both be given; give a different model as to, a curve as along, or a",
    ):
        made.reproduce(A, DATA, to=B, directions=[B])
    with pytest.raises(TypeError, match=r"the model must be a torch\.nn\.Module.*, got str"):
        made.reproduce("a", DATA, to=B)
    surface = fastscape.surface(A, DATA, x=(0, 1, 2), y=(0, 1, 2), progress=False)
    with pytest.raises(ValueError, match="to and along are of a line, and this is a surface; give directions="):
        surface.reproduce(A, DATA, to=B)


def linear(bias: float, table: int = 0) -> nn.Module:
    made = nn.Linear(4, 3)
    made.register_buffer("table", torch.tensor([table]))
    with torch.no_grad():
        made.weight.copy_(torch.arange(12.0).reshape(3, 4) / 10 + bias)
        made.bias.fill_(bias)
    return made


class TestMarks:
    @pytest.mark.parametrize(
        ("to", "options", "said"),
        [
            (
                linear(1),
                {"perturb": "weights"},
                r"^model B does not lie on this line, .* in bias, .*; write perturb='states'",
            ),
            (
                linear(1, table=1),
                {},
                r"it differs in table, where nothing moves; integers, and tied tensors by themselves",
            ),
            (
                linear(1),
                {"normalize": "filter"},
                "normalize='filter' gives the directions other lengths; write norm",
            ),
            (linear(1), {"normalize": "weight"}, "normalize='weight' gives the directions other lengths"),
            (
                linear(1),
                {"scheme": "line"},
                "model B is not marked, as scheme='line' does not lead to it; write scheme=",
            ),
        ],
    )
    def test_what_is_not_reached_is_not_marked(self, to, options, said):
        with pytest.warns(UserWarning, match=said):
            found = fastscape.line(linear(0.5), DATA, to=to, **options, **LINE)
        assert found.report["marks"] == {"the model": [0.0]}
        assert len(found.report["warnings"]) == 1
        assert len(found.report["warnings"][0]) < 300

    @pytest.mark.parametrize(
        ("to", "options"),
        [
            (linear(1), {"perturb": "all"}),
            (linear(1), {"normalize": "none", "scheme": "plane"}),
            (linear(0.5), {"perturb": "weights", "x": [0.5, 1.0]}),
        ],
    )
    @pytest.mark.filterwarnings("ignore:the direction of x is 0")
    def test_what_is_reached_is_marked(self, to, options):
        found = fastscape.line(linear(0.5), DATA, to=to, **{**LINE, **options})
        assert found.loss[-1] == pytest.approx(loss_of(to), rel=1e-12)
        assert found.report["marks"] == {"the model": [0.0], "model B": [1.0]}

    def test_equal_biases_need_not_move(self):
        to = linear(1)
        with torch.no_grad():
            to.bias.fill_(0.5)
        found = fastscape.line(linear(0.5), DATA, to=to, perturb="weights", **LINE)
        assert found.loss[-1] == pytest.approx(loss_of(to), rel=1e-12)
        assert found.report["marks"]["model B"] == [1.0]

    def test_statistics_that_are_estimated_anew_need_not_move(self):
        options = {"perturb": "all", **LINE}
        assert "model B" in fastscape.line(A, DATA, to=B, batchnorm="recalibrate", **options).report["marks"]
        with pytest.warns(UserWarning, match=r"it differs in 1\.running_mean, 1\.running_var, where nothing"):
            fastscape.line(A, DATA, to=B, **options)

    def test_of_three_models_each_by_itself(self):
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            found = fastscape.surface(
                linear(0.5), DATA, directions=[linear(1), linear(2, table=1)], x=(0, 1, 2), y=(0, 1, 2), progress=False
            )
        assert found.report["marks"] == {"the model": [0.0, 0.0], "model B": [1.0, 0.0]}
        (message,) = found.report["warnings"]
        assert message.startswith("model C does not lie in this plane, and is not marked: it differs in table,")
        assert [str(one.message) for one in given] == [message]

    def test_a_mark_goes_by_where_the_weights_are(self):
        """A scheme may give another coefficient to a direction that is 0 in a tensor: the point is the same."""

        def odd(gram, alpha):
            c = torch.stack([torch.ones_like(alpha), alpha], dim=-1)[:, None].repeat(1, len(gram), 1)
            c[:, gram[:, 1, 1] == 0, 1] = 7.0
            return c

        to = linear(1)
        with torch.no_grad():
            to.bias.fill_(0.5)
        found = fastscape.line(linear(0.5), DATA, to=to, scheme=odd, **LINE)
        assert found.report["marks"] == {"the model": [0.0], "model B": [1.0]}
        assert found.loss[-1] == pytest.approx(loss_of(to), rel=1e-12)


class Squashed(nn.Module):
    """Two layers with a module between them that has no weights."""

    def __init__(self, between: type[nn.Module]) -> None:
        super().__init__()
        self.first, self.between, self.last = nn.Linear(4, 6), between(), nn.Linear(6, 3)

    def forward(self, x):
        return self.last(self.between(self.first(x)))


ONES = torch.randn(12, 4), torch.arange(12) % 3
CALLS = {
    "line": lambda a, b: fastscape.line(a, ONES, to=b, x=(0, 1, 3), progress=False),
    "barrier": lambda a, b: fastscape.barrier(a, b, ONES, points=3, progress=False),
    "connect": lambda a, b: fastscape.connect(a, b, ONES, steps=1, progress=False),
    "align": lambda a, b: fastscape.align(a, ONES, to=b),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_model_of_other_code_with_the_same_names_and_shapes_is_told(call):
    a, b = Squashed(nn.ReLU), Squashed(nn.Tanh)
    with pytest.warns(UserWarning, match=r"the other model has other code: between is Tanh and not ReLU; its") as said:
        CALLS[call](a, b)
    assert len([one for one in said if "other code" in str(one.message)]) == 1
    CALLS[call](a, b.state_dict())
    CALLS[call](a, Squashed(nn.ReLU))


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        torch.optim.swa_utils.AveragedModel,
        torch.compile,
        torch.jit.script,
        lambda model: nn.DataParallel(torch.compile(model)),
    ],
)
def test_wrappers_and_scripts_are_the_code_inside(wrap):
    CALLS["line"](Squashed(nn.ReLU), wrap(Squashed(nn.ReLU)))
    with pytest.warns(UserWarning, match="between is Tanh and not ReLU"):
        CALLS["line"](Squashed(nn.ReLU), wrap(Squashed(nn.Tanh)))


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_a_model_with_weights_that_are_not_finite_is_no_end_of_a_line(odd):
    a, b = Squashed(nn.ReLU), Squashed(nn.ReLU)
    b.last.bias.data[1] = odd
    for call in ("line", "barrier"):
        with pytest.raises(ValueError, match=r"a Squashed, whose last\.bias differ and hold NaN or infinite values"):
            CALLS[call](a, b)


def test_infinities_that_both_models_have_are_no_difference():
    """As in masks, which are buffers."""

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.register_buffer("mask", torch.tensor([[0.0, -torch.inf], [0.0, 0.0]]))

        def forward(self, x):
            return self.layer(x) + self.mask.softmax(1)[0, 0]

    a, b = Masked(), Masked()
    found = CALLS["line"](a, b)
    for k, model in ((0, a), (2, b)):
        assert found.loss[k] == pytest.approx(F.cross_entropy(model(ONES[0]), ONES[1]).item(), rel=1e-5)
