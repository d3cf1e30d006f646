"""Weights that do not move as one would think: packed, in shared memory, or along a direction that is 0 there."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

import fastscape
from fastscape.weights import packed_modules, sharing_memory

DATA = torch.rand(9, 4), torch.arange(9) % 3
GRID = {"x": (-1, 1, 3), "y": (-1, 1, 2), "progress": False}


def quantised(model: nn.Module, kinds: set[type]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is about to move it to another package
        return torch.ao.quantization.quantize_dynamic(model, kinds)


class Codes(nn.Module):
    """A linear layer as packages for quantised weights write it: integer codes and scales, as buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.randint(-8, 8, (3, 5), dtype=torch.int8))
        self.register_buffer("scales", torch.rand(3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.codes * self.scales)


class Plain(Codes):
    """The same, as plain attributes."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.codes, self.scales = torch.randint(-8, 8, (3, 5), dtype=torch.int8), torch.rand(3, 1)


class Whole(nn.Module):
    """Integer parameters, as bitsandbytes has them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randint(255, (3, 5), dtype=torch.uint8), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight / 255 - 0.5)


class Masked(nn.Module):
    """What is no packed weight: masks, tables of indices, and integers beside weights."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([[1, 0], [1, 1]], dtype=torch.uint8))
        self.register_buffer("table", torch.arange(4).reshape(2, 2))
        self.register_buffer("scale", torch.ones(2))
        self.inner = nn.Linear(2, 2)
        self.inner.register_buffer("counts", torch.tensor([[5, 6]], dtype=torch.int32))


@pytest.mark.parametrize("layer", [Codes, Plain, Whole])
def test_what_holds_packed_weights_is_named(layer):
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), layer())
    with pytest.warns(
        UserWarning, match=rf"no landscape moves the weights of 2 \({layer.__name__}\), .*was quantised$"
    ):
        found = fastscape.surface(model, DATA, **GRID)
    assert found.report["packed"] == ["2"]
    assert found.report["moving"] == ["0.weight"]
    assert found.report["untouched"] == ["0.bias", *(["2.weight"] if layer is Whole else [])]
    assert len(found.report["warnings"]) == 1


@pytest.mark.filterwarnings("ignore:the values depend on the microbatch")  # they are scaled by the batch
def test_layers_that_torch_has_quantised():
    model = quantised(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.LSTM(5, 3)), {nn.LSTM})
    assert packed_modules(model) == {"2": "DynamicQuantizedLSTM"}
    model = quantised(nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(4, 3)), {nn.Linear})
    with pytest.warns(UserWarning, match=r"no landscape moves the weights of 2 \(DynamicQuantizedLinear\)"):
        found = fastscape.surface(model, (DATA[0][:, None], DATA[1]), plan=fastscape.Plan("loop", 2, 9), **GRID)
    assert found.report["packed"] == ["2"]


def test_a_model_that_is_packed_as_a_whole_is_refused():
    model = quantised(nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), {nn.Linear})
    message = (
        r"Sequential has no floating-point parameters, .*weights of 0: Dyn.*, 2: Dyn.* are packed; give the model as"
    )
    with pytest.raises(ValueError, match=message):
        fastscape.surface(model, DATA, **GRID)


def test_what_is_not_packed():
    assert packed_modules(Masked()) == {}
    assert packed_modules(torch.compile(nn.Linear(2, 2))) == {}


def test_who_names_what_moves_is_not_told_what_does_not():
    """As with LoRA on quantised weights."""
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), Codes())
    found = fastscape.surface(model, DATA, perturb=lambda name, p: name == "0.weight", **GRID)
    assert found.report["packed"] == ["2"]
    assert found.report["warnings"] == []


def test_parameters_in_one_memory():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3))
    model[1].weight = nn.Parameter(model[0].weight.data)
    assert sharing_memory(model, {"0.weight"}) == [["0.weight", "1.weight"]]
    with pytest.warns(UserWarning, match=r"0\.weight, 1\.weight lie in the same memory, .*modules one parameter$"):
        found = fastscape.surface(model, DATA, **GRID)
    assert found.report["moving"] == ["0.weight", "1.weight", "2.weight"]
    model[1].weight = model[0].weight
    found = fastscape.surface(model, DATA, **GRID)
    assert found.report["moving"] == ["0.weight", "2.weight"]
    assert found.report["untouched"] == ["0.bias", "1.bias", "2.bias"]
    assert found.report["warnings"] == []


class TestReport:
    def test_a_parametrised_weight(self):
        first = parametrizations.weight_norm(nn.Linear(4, 5))
        model = nn.Sequential(first, parametrizations.spectral_norm(nn.Linear(5, 3)))
        report = fastscape.surface(model.eval(), DATA, **GRID).report
        parts = "0.parametrizations.weight.original0", "0.parametrizations.weight.original1"
        assert report["moving"] == [*parts, "1.parametrizations.weight.original"]
        assert report["untouched"] == ["0.bias", "1.bias"]
        assert report["still"] == report["packed"] == []

    def test_buffers_move_as_states_and_variances_stay(self):
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
        model(torch.randn(20, 4))
        report = fastscape.surface(model, DATA, perturb="states", normalize="none", **GRID).report
        assert report["moving"][-2:] == ["1.running_mean", "1.running_var"]
        assert report["untouched"] == []
        assert report["still"] == ["1.running_var"]

    @pytest.mark.parametrize("low_memory", [False, True])
    def test_what_has_norm_zero_is_still(self, low_memory):
        model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3, bias=False))
        nn.init.zeros_(model[0].bias)
        report = fastscape.surface(model, DATA, perturb="all", low_memory=low_memory, **GRID).report
        assert report["still"] == ["0.bias"]
        report = fastscape.surface(model, DATA, perturb="all", normalize="none", low_memory=low_memory, **GRID).report
        assert report["still"] == []

    def test_a_direction_of_zero(self):
        model = nn.Linear(4, 3)
        nn.init.zeros_(model.weight)
        said = "the direction of {} is 0: it leads to a model with the same weights"
        along_x, along_y = said.format("x"), said.format("y")
        with pytest.warns(UserWarning, match=along_x), pytest.warns(UserWarning, match=along_y):
            found = fastscape.surface(model, DATA, **GRID)
        assert len(found.report["warnings"]) == 2  # and not that the model does not use its parameters
        with pytest.warns(UserWarning, match=along_x):
            found = fastscape.line(model, DATA, to=model, x=(0, 1, 3), progress=False)
        assert found.report["still"] == found.report["moving"]
        assert list(found.marks) == ["the model", "model B"]
