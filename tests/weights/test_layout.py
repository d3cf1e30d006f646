"""The flat buffer: selections, layouts, filters, and the way back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, prune

from cases import CASES, Odd
from fastscape.weights import layout_of, select


class Conv1D(nn.Module):
    """As GPT-2's linear layer: the weight is [in, out]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.recurrent = nn.LSTM(4, 3)
        self.attention = nn.MultiheadAttention(4, 2)
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))


@pytest.mark.parametrize("perturb", ["weights", "weights+bias", "all", "states"])
@pytest.mark.parametrize("name", CASES)
def test_flatten_and_unflatten_are_inverse(name, perturb):
    model = CASES[name]().model
    layout, tensors = layout_of(model, perturb), select(model, perturb)
    flat = layout.flatten(tensors, dtype=torch.float64)
    for stack in (flat, torch.stack([flat, 2 * flat])):
        back = layout.unflatten(stack)
        assert list(back) == list(tensors)
        for key, tensor in tensors.items():
            assert back[key].shape == (*stack.shape[:-1], *tensor.shape)
            assert torch.equal(back[key][0] if stack.dim() > 1 else back[key], tensor.double())


@pytest.mark.parametrize("name", CASES)
def test_weights_with_their_channels_last_are_the_same_weights(name):
    model = CASES[name]().model
    layout, tensors = layout_of(model, "all"), select(model, "all")
    flat = torch.stack([factor * layout.flatten(tensors) for factor in (1, 2)])
    stored = flat.clone()
    relaid = layout.relaid(stored, channels_last=True)
    for key, tensor in tensors.items():
        back = relaid.unflatten(stored)[key]
        assert torch.equal(back[0], tensor)
        assert torch.equal(back[1], 2 * tensor)
        if tensor.dim() == 4 and min(tensor.shape[1:]) > 1:
            assert back[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(relaid.relaid(stored, channels_last=False).unflatten(stored)[key][0], tensors[key])
    assert torch.equal(stored, flat)


@pytest.mark.parametrize("name", CASES)
def test_points_are_views_of_the_buffer(name):
    layout = layout_of(CASES[name]().model)
    flat = torch.zeros(2, layout.size)
    for key, tensor in layout.unflatten(flat).items():
        if tensor.numel() and key != "grouped.weight":
            assert tensor.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr()


@pytest.mark.parametrize("name", CASES)
def test_tensors_are_aligned_and_the_padding_is_zero(name):
    model = CASES[name]().model
    layout = layout_of(model, "all")
    flat = layout.flatten({key: torch.ones_like(p) for key, p in select(model, "all").items()})
    assert layout.size % 16 == 0
    assert all(entry.offset % 16 == 0 for entry in layout.entries)
    assert flat.count_nonzero() == layout.perturbed == sum(p.numel() for p in model.parameters())
    assert set(flat.tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("name", CASES)
def test_every_segment_is_one_filter_or_padding(name):
    model = CASES[name]().model
    layout, tensors = layout_of(model, "all"), select(model, "all")
    index = {key: torch.full_like(t, number) for number, (key, t) in enumerate(tensors.items(), start=1)}
    flat = layout.flatten(index)
    cut = layout.segments.starts.tolist()
    assert cut[-1] == layout.size
    assert len(layout.layer_of_segment) == layout.segments.count
    for segment, layer in enumerate(layout.layer_of_segment.tolist()):
        inside = set(flat[cut[segment] : cut[segment + 1]].tolist())
        assert inside in ({layer + 1.0}, {0.0})


@pytest.mark.parametrize(
    ("module", "channels", "filter_of"),
    [
        (nn.Linear(5, 3), 3, lambda w, c: w[c]),
        (nn.Conv1d(4, 3, 2), 3, lambda w, c: w[c]),
        (nn.Conv2d(4, 6, 3, groups=2), 6, lambda w, c: w[c]),
        (nn.Conv3d(2, 3, 2), 3, lambda w, c: w[c]),
        (nn.ConvTranspose1d(4, 3, 2), 3, lambda w, c: w[:, c]),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), 6, lambda w, c: w.view(2, 2, 3, 3, 3)[c // 3, :, c % 3]),
        (nn.Embedding(7, 4), 7, lambda w, c: w[c]),
        (Conv1D(5, 3), 3, lambda w, c: w[:, c]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_filter_is_one_output_channel(module, channels, filter_of):
    """Dimension 0 is not the output everywhere: transposed convolutions, GPT-2's Conv1D."""
    layout = layout_of(module)
    weight = layout.entries[0]
    assert weight.filters == channels
    flat = layout.flatten(select(module))
    rows = flat[: weight.numel].view(channels, -1)
    for c in range(channels):
        assert torch.equal(rows[c], filter_of(module.weight.detach(), c).flatten())


@pytest.mark.parametrize(
    ("module", "filters", "filter_of"),
    [
        (nn.Linear(5, 3), 5, lambda w, c: w[:, c]),
        (Conv1D(5, 3), 5, lambda w, c: w[c]),
        (nn.Conv2d(4, 6, 3, groups=2), 6, lambda w, c: w[c]),
        (nn.Embedding(7, 4), 7, lambda w, c: w[c]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_or_a_filter_of_a_dense_layer_is_one_input(module, filters, filter_of):
    layout = layout_of(module, by_input=True)
    weight = layout.entries[0]
    assert weight.filters == filters
    flat = layout.flatten(select(module))
    rows = flat[: weight.numel].view(filters, -1)
    for c in range(filters):
        assert torch.equal(rows[c], filter_of(module.weight.detach(), c).flatten())
    assert torch.equal(layout.unflatten(flat)["weight"], module.weight)


def test_the_magnitudes_of_a_weight_norm_are_no_dense_layer():
    module = parametrizations.weight_norm(nn.Linear(4, 3))
    found = {entry.shape: entry.filters for entry in layout_of(module, by_input=True).entries}
    assert found == {(3, 1): 3, (3, 4): 4}


@pytest.mark.parametrize(
    "wrap",
    [
        parametrizations.spectral_norm,
        lambda module: parametrizations.weight_norm(module, dim=1),
        lambda module: prune.random_unstructured(module, "weight", 0.5),
    ],
    ids=["spectral norm", "weight norm", "pruned"],
)
def test_a_parametrised_weight_is_still_the_weight_of_its_layer(wrap):
    module = wrap(nn.ConvTranspose1d(4, 3, 2))
    (weight,) = [entry for entry in layout_of(module).entries if entry.shape == (4, 3, 2)]
    assert weight.filters == 3
    assert module.training


def test_the_bias_of_a_parametrised_layer_is_a_bias():
    module = parametrizations.weight_norm(nn.Linear(3, 2))
    module.unbiased_scale = nn.Parameter(torch.ones(2))
    biases = set(select(module, "weights+bias")) - set(select(module))
    assert biases == {"bias"}


def test_one_dimension_is_one_segment():
    layout = layout_of(nn.Linear(3, 8), "all")
    assert [entry.filters for entry in layout.entries] == [8, 1]


class TestSelections:
    def test_weights_are_the_tensors_of_two_or_more_dimensions(self):
        assert list(select(Everything())) == [
            "convolution.weight",
            "recurrent.weight_ih_l0",
            "recurrent.weight_hh_l0",
            "attention.in_proj_weight",
            "attention.out_proj.weight",
        ]

    def test_biases_are_those_of_layers_with_such_a_weight(self):
        extra = set(select(Everything(), "weights+bias")) - set(select(Everything()))
        assert extra == {
            "convolution.bias",
            "recurrent.bias_ih_l0",
            "recurrent.bias_hh_l0",
            "attention.in_proj_bias",
            "attention.out_proj.bias",
        }

    def test_all_is_every_parameter(self):
        model = Everything()
        assert list(select(model, "all")) == [name for name, _ in model.named_parameters()]

    def test_states_adds_the_floating_point_buffers(self):
        model = Everything()
        assert set(select(model, "states")) - set(select(model, "all")) == {"norm.running_mean", "norm.running_var"}

    def test_a_function_chooses_by_name_and_parameter(self):
        chosen = select(Odd(), lambda name, p: p.requires_grad and "weight" in name and p.dim() > 1)
        assert list(chosen) == ["inner.weight", "transposed.weight", "grouped.weight"]

    def test_tied_weights_move_once_and_together(self):
        assert "tied.weight" not in select(Odd())

    def test_frozen_weights_move(self):
        assert "frozen.weight" in select(Odd())

    def test_integer_parameters_do_not_move(self):
        model = nn.Linear(2, 2)
        model.table = nn.Parameter(torch.zeros(3, 3, dtype=torch.int64), requires_grad=False)
        assert list(select(model, "all")) == ["weight", "bias"]


@given(shapes=st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=6))
def test_any_shapes_survive_the_way_through_the_buffer(shapes):
    model = nn.ParameterList([nn.Parameter(torch.randn(shape)) for shape in shapes])
    if not sum(p.numel() for p in model):
        return
    layout = layout_of(model, "all")
    flat = layout.flatten(select(model, "all"))
    for name, tensor in layout.unflatten(flat).items():
        assert torch.equal(tensor, model.get_parameter(name))
    assert layout.segments.size == layout.size
    assert layout.segments.starts.diff().sum() == layout.size


def test_a_tensor_of_another_shape_is_refused():
    layout = layout_of(nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"weight must have shape \(2, 3\).*, got \(2, 2\)"):
        layout.flatten({"weight": torch.zeros(2, 2)})
    with pytest.raises(KeyError):
        layout.flatten({"wait": torch.zeros(2, 3)}, dtype=torch.float32, device="cpu")
