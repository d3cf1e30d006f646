"""Small images are convolved without their padding: the same values, from fewer products."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import fastscape
from fastscape.engine.layers import small_images as taps
from fastscape.engine.layers.small_images import SmallImages, convolve, skip_padding, worthwhile
from tolerance import assert_as_accurate, assert_close

pair = st.tuples(st.integers(1, 3), st.integers(1, 3))


def drawn(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    tensor = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    return tensor.to(memory_format=torch.channels_last) if len(shape) == 4 else tensor


@settings(max_examples=150, deadline=None)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=pair,
    dilation=pair,
    padding=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    biased=st.booleans(),
)
def test_every_geometry_equals_torch(size, kernel, stride, dilation, padding, biased):
    if any(n + 2 * p < g * (k - 1) + 1 for n, k, p, g in zip(size, kernel, padding, dilation, strict=True)):
        return
    images, weight = drawn(3, 4, *size), drawn(5, 4, *kernel)
    bias = drawn(5) if biased else None
    truth = F.conv2d(images, weight, bias, stride, padding, dilation)
    made = convolve(images, weight, bias, [*stride], [*padding], [*dilation])
    assert_close(made.numpy(), truth.numpy(), 1e-12)
    assert made.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_as_accurate_as_the_convolution_of_torch(dtype, size):
    images, weight, bias = drawn(8, 256, size, size), drawn(256, 256, 3, 3), drawn(256)
    images, weight, bias = (t.to(dtype).double() for t in (images, weight, bias))
    truth = F.conv2d(images, weight, bias, padding=1)
    narrow = [t.to(dtype) for t in (images, weight, bias)]
    plain = F.conv2d(*narrow, padding=1)
    made = convolve(*narrow, [1, 1], [1, 1], [1, 1])
    assert made.dtype == dtype
    # In half precision the products of single taps are rounded too, each by as much as the result is.
    allowed = 1e-6 if dtype == torch.float32 else torch.finfo(dtype).eps / 2
    assert_as_accurate(made.double().numpy(), plain.double().numpy(), truth.numpy(), allowed)


@pytest.mark.parametrize(
    ("size", "channels", "better"),
    [((1, 1), 256, True), ((2, 2), 256, True), ((4, 4), 256, True), ((5, 5), 256, False), ((2, 2), 128, False)],
)
def test_it_is_used_where_padding_is_much_of_the_work(size, channels, better):
    images, weight = drawn(2, channels, *size), drawn(channels, channels, 3, 3)
    assert worthwhile(images, weight, (1, 1), (1, 1), (1, 1)) == better
    assert not worthwhile(images, weight.contiguous(), (1, 1), (1, 1), (1, 1))  # each tap would be gathered


def test_only_plain_convolutions_change():
    class Own(nn.Conv2d):
        pass

    model = nn.Sequential(
        nn.Conv2d(2, 2, 3),
        Own(2, 2, 3),
        nn.Conv2d(2, 2, 1),
        nn.Conv2d(2, 2, 3, groups=2),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(2, 2, 3, padding="same"),
    )
    skip_padding(model)
    assert [type(module) is SmallImages for module in model] == [True, *[False] * 5]


class Narrowing(nn.Module):
    """Two convolutions behind a pooling that leaves 2 x 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(1024, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).flatten(1))


@pytest.mark.parametrize("options", [{}, {"compile": True}, {"workers": 2}, {"compile": True, "hoist": True}])
def test_a_surface_uses_it_and_keeps_its_values(monkeypatch, options):
    used = []
    original = taps.worthwhile

    def watched(*arguments):
        used.append(original(*arguments))
        return used[-1]

    monkeypatch.setattr(taps, "worthwhile", watched)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = Narrowing()
    data = torch.rand(7, 3, 4, 4), torch.randint(5, (7,))
    grid = {"x": (-1.0, 1.0, 2), "y": (0.0, 1.0, 2), "progress": False}
    plain = {"batching": "loop", "chunk": 2, "microbatch": 4}
    truth = fastscape.surface(model, data, precision="float64", plan=fastscape.Plan(**plain), **grid)
    slow = fastscape.surface(model, data, plan=fastscape.Plan(**plain), **grid)
    assert not any(used)
    fast = fastscape.surface(
        model, data, plan=fastscape.Plan(**plain, memory_format="channels_last", **options), **grid
    )
    assert any(used)
    assert all(type(module) is not SmallImages for module in model.modules())
    assert_as_accurate(fast.loss, slow.loss, truth.loss)
    assert np.isfinite(fast.loss).all()
