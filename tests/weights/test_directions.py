"""Random directions: their distribution, their streams, and what they do not depend on."""

import pytest
import torch
from torch import nn

from fastscape.kernels import draw
from fastscape.weights import direction_random, layout_of

LAYOUT = layout_of(nn.Sequential(nn.Linear(300, 200), nn.Linear(7, 5)))


def test_entries_are_standard_normal():
    d = direction_random(LAYOUT, 0, 0)
    d = d[d != 0]
    n = len(d)
    assert n == LAYOUT.perturbed
    assert abs(d.mean()) < 5 / n**0.5
    assert abs(d.var() - 1) < 5 * (2 / n) ** 0.5
    assert abs((d**4).mean() - 3) < 5 * (96 / n) ** 0.5
    ordered = d.sort().values
    normal = torch.special.ndtr(ordered)
    kolmogorov = (normal - torch.arange(1, n + 1) / n).abs().max()
    assert kolmogorov < 1.95 / n**0.5  # exceeded once in a thousand seeds


def test_other_distributions():
    uniform = direction_random(LAYOUT, 0, 0, distribution="uniform")[: LAYOUT.entries[0].numel]
    assert (uniform.min() >= 0, uniform.max() < 1) == (True, True)
    assert abs(uniform.mean() - 0.5) < 5 / (12 * len(uniform)) ** 0.5
    signs = direction_random(LAYOUT, 0, 0, distribution="rademacher")[: LAYOUT.entries[0].numel]
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 5 / len(signs) ** 0.5


def test_each_seed_and_axis_is_a_stream_of_its_own():
    drawn = [direction_random(LAYOUT, seed, axis) for seed in (0, 1, 2, 2**64 - 1) for axis in (0, 1)]
    for i, a in enumerate(drawn):
        for b in drawn[:i]:
            assert abs(torch.cosine_similarity(a, b, dim=0)) < 0.02


def test_the_same_seed_is_the_same_direction_in_every_precision():
    wide = direction_random(LAYOUT, 5, 1)
    assert torch.equal(direction_random(LAYOUT, 5, 1), wide)
    narrow = direction_random(LAYOUT, 5, 1, out=torch.empty(LAYOUT.size))
    assert torch.equal(narrow, wide.float())


def test_numbers_go_filter_by_filter():
    """A transposed convolution has its output channels in the second dimension; the direction does not mind."""
    transposed, dense = nn.ConvTranspose1d(4, 3, 2), nn.ParameterList([nn.Parameter(torch.zeros(3, 4, 2))])
    a, b = layout_of(transposed), layout_of(dense, "all")
    first, second = (layout.unflatten(direction_random(layout, 0, 0)) for layout in (a, b))
    assert torch.equal(first["weight"].transpose(0, 1), second["0"])


def test_it_is_drawn_by_the_kernels_generator():
    d = direction_random(LAYOUT, 2, 1, distribution="uniform")
    first = LAYOUT.entries[0]
    wanted = draw(torch.empty(first.numel, dtype=torch.float64), seed=2, stream=1, distribution="uniform")
    assert torch.equal(d[: first.stop], wanted)


def test_the_padding_is_zero():
    d = direction_random(LAYOUT, 0, 0)
    last = LAYOUT.entries[-1]
    assert last.stop < LAYOUT.size
    assert not d[last.stop :].any()


def test_running_variances_do_not_move():
    layout = layout_of(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "states")
    d = layout.unflatten(direction_random(layout, 0, 0))
    assert not d["1.running_var"].any()
    assert d["1.running_mean"].all()


@pytest.mark.parametrize("seed", [-1, 0.5, None, True, 2**64])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ValueError, match="must be an integer from 0"):
        direction_random(LAYOUT, seed, 0)
