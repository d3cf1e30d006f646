"""What of the flat buffer a process holds: every entry is one of the whole buffer, whatever a tensor is cut along."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from fastscape.kernels import gram
from fastscape.weights import direction_random, layout_of
from fastscape.weights.here import Here, part_of
from fastscape.weights.layout import Layout


class Alone:
    """A process that counts, and adds nothing."""

    def counts(self, name):
        return True

    def added(self, sums):
        return sums

    def evaluating(self, model, what):
        return nullcontext()


def cut(layout, chosen):
    """What a process holds that has some indices of each dimension of each tensor."""
    entries, blocks, offset = [], {}, 0
    for entry in layout.entries:
        own, blocks[entry.name] = part_of(entry, chosen(entry), offset)
        entries.append(own)
        offset = -(-own.stop // 16) * 16
    return Here(layout, Layout(tuple(entries)), blocks, Alone())


def parts(ways, size):
    """A dimension in so many parts, some of which may be empty."""
    return [torch.arange(size)[k * -(-size // ways) :][: -(-size // ways)] for k in range(ways)]


class Odd(nn.Module):
    """Weights whose output channels are not in front, in groups, complex, of one or no dimension, with odd sizes."""

    def __init__(self):
        super().__init__()
        self.linear, self.convolution = nn.Linear(6, 5), nn.Conv2d(4, 6, 3, groups=2)
        self.back, self.grouped = nn.ConvTranspose2d(4, 6, 3), nn.ConvTranspose2d(6, 4, 2, groups=2)
        self.deep = nn.ConvTranspose1d(3, 3, 2, groups=3)
        self.turned = nn.Parameter(torch.randn(3, 4, dtype=torch.complex128))
        self.scale, self.experts = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.randn(3, 4, 5))
        self.norm = nn.BatchNorm1d(7)


LAYOUT = layout_of(Odd().double(), "states")
BY_INPUT = layout_of(Odd().double(), "states", by_input=True)


def whole(entry):
    return [torch.arange(size) for size in entry.shape]


def along(dimension, ways, number):
    """One part of several of every tensor that has such a dimension."""

    def chosen(entry):
        lists = whole(entry)
        if dimension < len(entry.shape):
            lists[dimension] = parts(ways, entry.shape[dimension])[number]
        return lists

    return chosen


def everywhere(number):
    """Every other index of the first dimension, and half of the second one, as of two meshes."""

    def chosen(entry):
        lists = whole(entry)
        if lists:
            lists[0] = lists[0][number % 2 :: 2]
        if len(lists) > 1:
            lists[1] = parts(2, entry.shape[1])[number // 2]
        return lists

    return chosen


CUTS = {
    **{f"dimension {d} in {n}": [along(d, n, k) for k in range(n)] for d, n in ((0, 2), (0, 4), (1, 2), (2, 4))},
    "two at once": [everywhere(k) for k in range(4)],
    "not at all": [whole],
}


@pytest.mark.parametrize("layout", [LAYOUT, BY_INPUT], ids=["by output", "by input"])
@pytest.mark.parametrize("way", CUTS.values(), ids=CUTS)
def test_every_entry_that_is_here_is_one_of_the_whole_buffer(way, layout):
    places = torch.arange(layout.size, dtype=torch.float64)
    tensors = layout.unflatten(places)
    lengths, segments = layout.segments.starts.diff(), layout.segments.starts
    for chosen in way:
        here = cut(layout, chosen)
        own = {
            entry.name: tensors[entry.name][torch.meshgrid(*chosen(entry), indexing="ij")]
            if entry.shape
            else tensors[entry.name]
            for entry in layout.entries
        }
        flat = here.layout.flatten(own, dtype=torch.float64)
        assert all(torch.equal(t, own[name]) for name, t in here.layout.unflatten(flat).items())
        starts = here.layout.segments.starts.tolist()
        for number, entry in enumerate(here.layout.entries):
            length = entry.numel // max(entry.filters, 1)
            for block, first in enumerate(here.blocks[entry.name].tolist()):
                begin = entry.offset + block * length
                assert flat[begin : begin + length].tolist() == list(range(first, first + length))
                s = starts.index(begin)
                assert starts[s + 1] - begin == length
                assert here.layout.layer_of_segment[s] == number
                segment = int(here.segment[s])
                assert segments[segment] <= first
                assert first + length <= segments[segment] + lengths[segment]


@pytest.mark.parametrize("distribution", ["normal", "rademacher"])
@pytest.mark.parametrize("layout", [LAYOUT, BY_INPUT], ids=["by output", "by input"])
@pytest.mark.parametrize("way", CUTS.values(), ids=CUTS)
def test_directions_and_gram_matrices_are_those_of_the_whole_model(way, layout, distribution):
    rows = torch.stack([direction_random(layout, 5, k, distribution=distribution) for k in range(2)])
    wanted, found, tensors = gram(rows, layout.segments), 0, layout.unflatten(rows)
    for chosen in way:
        here = cut(layout, chosen)
        own = torch.full((2, here.layout.size), torch.nan, dtype=torch.float64)
        for k, row in enumerate(own):
            here.random(5, k, distribution=distribution, out=row)
        for k, row in enumerate(own):
            for entry in layout.entries:
                lists = chosen(entry)
                part = tensors[entry.name][k]
                part = part[torch.meshgrid(*lists, indexing="ij")] if lists else part
                assert torch.equal(here.layout.unflatten(row)[entry.name], part), entry.name
        found = found + here.gram(gram(own, here.layout.segments))
    held = [sum(numel_here(entry, chosen) for chosen in way) / numel_here(entry, whole) for entry in layout.entries]
    times = torch.tensor(held, dtype=torch.float64)[layout.layer_of_segment]  # of several that hold the same each adds
    torch.testing.assert_close(found, wanted * times[:, None, None], rtol=1e-12, atol=1e-12)


def numel_here(entry, chosen):
    return torch.Size(map(len, chosen(entry))).numel()


def test_a_part_of_what_is_here_is_drawn_alone():
    layout = layout_of(nn.Linear(40, 30))
    here = cut(layout, along(1, 3, 1))
    every = torch.empty(here.layout.size, dtype=torch.float64)
    here.random(1, 0, distribution="normal", out=every)
    for start, stop in [(0, 420), (3, 17), (13, 14), (200, 399), (419, 420)]:
        part = torch.full((stop - start,), torch.nan, dtype=torch.float64)
        here.draw(part, 1, 0, start, distribution="normal")
        assert torch.equal(part, every[start:stop])


def test_coefficients_of_what_is_here_are_those_of_its_filters():
    layout = layout_of(nn.Linear(4, 6))
    here = cut(layout, along(0, 2, 1))
    c = torch.arange(14.0).view(1, 7, 2)  # six filters and the padding
    assert here.coefficients(c)[0, :3].tolist() == c[0, 3:6].tolist()
    assert here.coefficients(c[:, :1]) is not None
    assert torch.equal(here.coefficients(c[:, :1]), c[:, :1])


def test_what_others_count_too_is_not_added():
    layout = layout_of(nn.Linear(3, 2), "all")
    here = cut(layout, whole)

    class Second(Alone):
        def counts(self, name):
            return name == "bias"

    second = Here(layout, here.layout, here.blocks, Second())
    own = torch.ones(here.layout.segments.count, 1, 1, dtype=torch.float64)
    own[~layout.drawn] = 0
    assert second.gram(own).flatten().tolist() == [0, 0, 0, 1, 0]
