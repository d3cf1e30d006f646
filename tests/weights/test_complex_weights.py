"""Complex tensors in the flat buffer: pairs of real numbers, with the filters of the complex tensor."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fastscape.kernels import draw, gram
from fastscape.weights import (
    convolutions,
    direction_between,
    direction_given,
    direction_random,
    dtype_of,
    layout_of,
    select,
)


@given(
    kinds=st.lists(
        st.tuples(
            st.lists(st.integers(0, 5), max_size=4),
            st.sampled_from([torch.float32, torch.complex64, torch.complex128]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_shapes_survive_the_way_through_the_buffer(kinds):
    model = nn.ParameterList([nn.Parameter(torch.randn(shape, dtype=dtype)) for shape, dtype in kinds])
    numbers = sum(p.numel() * (2 if p.is_complex() else 1) for p in model)
    if not numbers:
        return
    layout = layout_of(model, "all")
    assert layout.perturbed == numbers
    assert all(entry.offset % 16 == 0 for entry in layout.entries)
    assert layout.segments.size == layout.size
    flat = layout.flatten(select(model, "all"), dtype=torch.float64)
    assert flat.count_nonzero() == numbers
    stack = torch.stack([flat, 2 * flat])
    for name, tensor in layout.unflatten(stack).items():
        own = model.get_parameter(name)
        assert tensor.dtype == (torch.complex128 if own.is_complex() else torch.float64)
        assert torch.equal(tensor[0], own.to(tensor.dtype))
        assert torch.equal(tensor[1], 2 * own.to(tensor.dtype))


LAYERS = [
    (nn.Linear(5, 3, dtype=torch.cfloat), 3, lambda w, c: w[c]),
    (nn.Conv2d(4, 6, 3, groups=2, dtype=torch.cfloat), 6, lambda w, c: w[c]),
    (nn.ConvTranspose1d(4, 3, 2, dtype=torch.cfloat), 3, lambda w, c: w[:, c]),
    (
        nn.ConvTranspose2d(4, 6, 3, groups=2, dtype=torch.cfloat),
        6,
        lambda w, c: w.view(2, 2, 3, 3, 3)[c // 3, :, c % 3],
    ),
    (nn.Embedding(7, 4, dtype=torch.cfloat), 7, lambda w, c: w[c]),
]


@pytest.mark.parametrize(("layer", "channels", "filter_of"), LAYERS, ids=lambda v: type(v).__name__)
def test_a_filter_is_that_of_the_complex_tensor(layer, channels, filter_of):
    layout, weight = layout_of(layer), layer.weight.detach()
    (entry,) = layout.entries
    assert entry.filters == channels
    flat = layout.flatten({"weight": weight})
    assert flat.dtype == torch.float32
    rows = flat[: entry.numel].view(channels, -1)
    squares = gram(flat.double()[None], layout.segments).flatten()
    for c in range(channels):
        own = filter_of(weight, c).flatten().tolist()
        assert rows[c].tolist() == list(itertools.chain.from_iterable((z.real, z.imag) for z in own))
        assert squares[c] == pytest.approx(sum(abs(z) ** 2 for z in own))
    assert torch.equal(layout.unflatten(flat)["weight"], weight)


def test_the_tensors_of_points_are_views():
    layout = layout_of(nn.Linear(3, 2, dtype=torch.cfloat), "all")
    flat = torch.zeros(4, layout.size)
    for tensor in layout.unflatten(flat).values():
        assert tensor.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_reduced_buffer_gives_complex64(dtype):
    layer = nn.Linear(3, 2, dtype=torch.cfloat)
    layout = layout_of(layer)
    flat = layout.flatten({"weight": layer.weight}, dtype=dtype)
    weight = layout.unflatten(flat)["weight"]
    assert weight.dtype == torch.complex64
    assert torch.equal(torch.view_as_real(weight), torch.view_as_real(layer.weight.detach()).to(dtype).float())


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.real = nn.Linear(3, 2)
        self.complex = nn.Linear(3, 2, dtype=torch.cfloat)
        self.images = nn.Conv2d(2, 3, 3, dtype=torch.cfloat)
        self.vector = nn.Parameter(torch.randn(2, dtype=torch.cfloat))
        self.register_buffer("state", torch.randn(3, dtype=torch.cfloat))
        self.register_buffer("count", torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("perturb", "more"),
    [
        ("weights", ()),
        ("weights+bias", ("real.bias", "complex.bias", "images.bias")),
        ("all", ("vector", "real.bias", "complex.bias", "images.bias")),
        ("states", ("vector", "real.bias", "complex.bias", "images.bias", "state")),
    ],
)
def test_a_complex_tensor_is_selected_by_its_own_dimensions(perturb, more):
    """A vector has one, though its pairs of real numbers have two."""
    assert set(select(Both(), perturb)) == {"real.weight", "complex.weight", "images.weight", *more}
    filters = {entry.name: entry.filters for entry in layout_of(Both(), "states").entries}
    assert (filters["vector"], filters["complex.bias"], filters["complex.weight"]) == (1, 1, 2)


def test_a_function_is_asked_about_complex_parameters():
    asked = []
    select(Both(), lambda name, p: asked.append((name, p.is_complex())) or True)
    assert ("complex.weight", True) in asked
    assert ("vector", True) in asked


def test_complex_convolutions_stay_as_they_lie():
    assert convolutions(Both()) == set()
    layout = layout_of(Both())
    stored = layout.flatten(select(Both()))[None]
    before = stored.clone()
    layout.relaid(stored, channels_last=True)
    assert torch.equal(stored, before)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
def test_a_complex_entry_is_drawn_as_two_numbers(distribution):
    layout = layout_of(nn.Linear(300, 200, bias=False, dtype=torch.cfloat))
    z = layout.unflatten(direction_random(layout, 3, 1, distribution=distribution))["weight"].flatten()
    numbers = draw(torch.empty(120_000, dtype=torch.float64), 3, 1, distribution=distribution)
    assert torch.equal(z.real, numbers[::2])
    assert torch.equal(z.imag, numbers[1::2])
    mean = 0.5 if distribution == "uniform" else 0.0
    centred = torch.stack([z.real - mean, z.imag - mean])
    assert abs((centred[0] * centred[1]).mean() / centred.square().mean()) < 5 / len(z) ** 0.5


def test_real_tensors_in_front_of_complex_ones_are_drawn_as_without_them():
    alone = nn.ModuleDict({"real": nn.Linear(7, 5)})
    both = nn.ModuleDict({"real": nn.Linear(7, 5), "zcomplex": nn.Linear(3, 2, dtype=torch.cfloat)})
    a, b = (layout_of(model, "all") for model in (alone, both))
    one, other = (layout.unflatten(direction_random(layout, 0, 0)) for layout in (a, b))
    assert all(torch.equal(other[name], tensor) for name, tensor in one.items())


def test_vectors_in_the_order_of_the_model():
    """Also where a real tensor of an odd length lies in front, and in the order of torch's own vector."""
    model = nn.Sequential(nn.Linear(3, 1), nn.ConvTranspose1d(2, 3, 2, dtype=torch.cfloat))
    layout = layout_of(model, "all")
    wanted = {
        name: torch.randn_like(p, dtype=torch.complex128 if p.is_complex() else torch.float64)
        for name, p in model.named_parameters()
    }
    whole = nn.utils.parameters_to_vector(wanted.values())
    pairs = [torch.stack([p.real, p.imag], -1) if p.is_complex() else p for p in wanted.values()]
    real = torch.cat([part.flatten() for part in pairs])
    for vector in (whole, real, whole.conj().resolve_conj().conj()):
        found = layout.unflatten(direction_given(layout, vector))
        assert all(torch.equal(found[name], d) for name, d in wanted.items())
    counted = layout.unflatten(direction_given(layout, torch.arange(layout.perturbed)))
    assert counted["1.weight"].flatten()[:2].tolist() == [4 + 5j, 6 + 7j]


@pytest.mark.parametrize("real", [True, False])
def test_directions_between_a_real_and_a_complex_model(real):
    models = nn.Linear(3, 2), nn.Linear(3, 2, dtype=torch.cfloat)
    if not real:
        d = layout_of(models[1]).unflatten(direction_between(layout_of(models[1]), models[1], models[0]))["weight"]
        assert torch.equal(d, models[0].weight.to(torch.complex128) - models[1].weight.to(torch.complex128))
        return
    with pytest.raises(ValueError, match=r"weight must be real, as in the model, got torch\.complex64"):
        direction_between(layout_of(models[0]), *models)


def test_a_complex_direction_without_imaginary_parts_is_a_real_one():
    layout = layout_of(nn.Linear(2, 1))
    d = direction_given(layout, {"weight": torch.tensor([[3.0 + 0j, 4.0]])})
    assert d[:3].tolist() == [3.0, 4.0, 0.0]


@pytest.mark.parametrize(
    ("came", "wanted", "becomes"),
    [
        (torch.float64, torch.float32, torch.float32),
        (torch.float16, torch.float64, torch.float64),
        (torch.complex128, torch.float32, torch.complex64),
        (torch.complex64, torch.float64, torch.complex128),
        (torch.complex128, torch.bfloat16, torch.complex64),
        (torch.complex64, torch.float16, torch.complex64),
        (torch.int32, torch.float64, torch.int32),
        (torch.bool, torch.float32, torch.bool),
    ],
)
def test_the_dtype_of_a_precision(came, wanted, becomes):
    assert dtype_of(torch.zeros(2, dtype=came), wanted) == becomes
