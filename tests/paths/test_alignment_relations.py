"""What is learned of atoms from single operations, worked out by hand."""

import numpy as np
import pytest

from fastscape.paths.alignment import relations
from fastscape.paths.alignment.ground import Ground
from fastscape.paths.alignment.labels import Axis, Bundle, Label, UnalignedError, cut, fixed, flat, pin
from fastscape.paths.alignment.pieces import joined, taken
from fastscape.paths.alignment.symmetry import symmetry_of


class Net:
    """Atoms, and the axes of the weights that were made."""

    def __init__(self):
        self.ground, self.axes = Ground(), {}

    def weight(self, name, *shape):
        label = fixed(shape)
        atoms = [self.ground.fresh((size,)) for size in shape]
        self.axes[name] = atoms
        return Label(label.dims, tuple(map(Bundle, label.dims, atoms)))

    def linear(self, label, name, units):
        letters = "abc"[: len(label.dims) - 1]
        weight = self.weight(name, units, label.shape[-1])
        return relations.contract(self.ground, (letters + "k", label), ("nk", weight), letters + "n")

    def cells(self):
        """Size and depth of each cell, and how many belong to each of its atoms."""
        found = symmetry_of(self.ground, self.axes)
        return sorted((cell.size, cell.depth, cell.rows.shape[1] - 1) for cell in found.cells)


def split(label, *sizes):
    """The last dimension as several."""
    shown, axes = cut(label, label.dims[-1], np.cumprod(sizes[::-1]).tolist())
    assert [axis.size for axis in axes] == list(sizes)
    return shown.with_dims([*shown.dims[:-1], *((axis,) for axis in axes)])


def ended(net, label):
    pin(net.ground, net.linear(label, "end", 3))
    return net.cells()


def test_hidden_units_and_an_end():
    net = Net()
    assert ended(net, net.linear(net.linear(fixed((2, 4)), "a", 8), "b", 5)) == [(5, 0, 0), (8, 0, 0)]


def test_a_sum_makes_units_the_same_and_a_fixed_one_keeps_them():
    net = Net()
    a, b = net.linear(fixed((2, 4)), "a", 8), net.linear(fixed((2, 6)), "b", 8)
    assert ended(net, relations.broadcast(net.ground, a, b)) == [(8, 0, 0)]
    kept = Net()
    assert ended(kept, relations.broadcast(kept.ground, kept.linear(fixed((2, 4)), "a", 8), fixed((8,)))) == []
    free = fixed((8,))
    same = Net()
    shown = Label(free.dims, free=frozenset(flat(free.dims)))
    assert ended(same, relations.broadcast(same.ground, same.linear(fixed((2, 4)), "a", 8), shown)) == [(8, 0, 0)]


def test_rows_stay_rows():
    """After a softmax within rows of 4, rows may change places, and what is in each."""
    net = Net()
    label = split(net.linear(fixed((2, 4)), "a", 12), 3, 4)
    relations.rows(net.ground, label, set(label.dims[-1]))
    shown = label.with_dims([label.dims[0], (*label.dims[1], *label.dims[2])])
    assert ended(net, shown) == [(3, 0, 4), (4, 1, 0), (4, 1, 0), (4, 1, 0)]


def test_a_product_of_two_sets():
    """What all rows share is permuted in all rows alike."""
    net = Net()
    label = split(net.linear(fixed((2, 4)), "a", 12), 3, 4)
    label = relations.broadcast(net.ground, label, net.weight("shared", 4))
    relations.rows(net.ground, label, set(label.dims[-1]))
    shown = label.with_dims([label.dims[0], (*label.dims[1], *label.dims[2])])
    assert ended(net, shown) == [(3, 0, 4), (4, 0, 3)]


def test_places_told_apart():
    net = Net()
    label = split(net.linear(fixed((2, 4)), "a", 12), 3, 4)
    relations.fix(net.ground, label, set(label.dims[-1]))
    shown = label.with_dims([label.dims[0], (*label.dims[1], *label.dims[2])])
    relations.rows(net.ground, label, set(label.dims[-1]))
    assert ended(net, shown) == [(3, 0, 4)]


def test_slices_and_joints():
    net = Net()
    whole = net.linear(fixed((2, 4)), "a", 8)
    first, second = (taken(net.ground, whole, 1, np.arange(start, start + 4)) for start in (0, 4))
    assert ended(net, relations.broadcast(net.ground, first, second)) == [(4, 0, 0)]
    net = Net()
    a, b = net.linear(fixed((2, 4)), "a", 8), net.linear(fixed((2, 4)), "b", 5)
    assert ended(net, joined(net.ground, [a, fixed((2, 2)), b], 1)) == [(5, 0, 0), (8, 0, 0)]
    net = Net()
    label = split(net.linear(fixed((2, 4)), "a", 12), 3, 4)  # within rows
    halves = [taken(net.ground, label, 2, np.arange(start, start + 2)) for start in (0, 2)]
    label = joined(net.ground, halves[::-1], 2)
    relations.rows(net.ground, label, set(label.dims[-1]))
    shown = label.with_dims([label.dims[0], (*label.dims[1], *label.dims[2])])
    assert ended(net, shown) == [(2, 1, 0)] * 6 + [(3, 0, 4)]


def test_one_place_of_many_stays():
    net = Net()
    whole = net.linear(fixed((2, 4)), "a", 8)
    one = taken(net.ground, whole, 1, np.array([3]))
    assert one.dims[1] == ()
    assert ended(net, whole) == [(7, 0, 0)]


def test_a_flat_image():
    net = Net()
    channels = net.linear(fixed((2, 4)), "a", 5)
    image = Label((channels.dims[0], channels.dims[1], *fixed((3, 3)).dims), channels.bundles)
    flat_image = image.with_dims([image.dims[0], flat(image.dims[1:])])
    assert ended(net, flat_image) == [(5, 0, 9)]


def test_what_has_no_common_axes():
    label = fixed((12,))
    with pytest.raises(UnalignedError):
        cut(label, label.dims[0], [5])
    net = Net()
    a = split(net.linear(fixed((2, 4)), "a", 12), 3, 4)
    b = split(net.linear(fixed((2, 4)), "b", 12), 2, 6)
    merged = [x.with_dims([x.dims[0], flat(x.dims[1:])]) for x in (a, b)]
    assert ended(net, relations.broadcast(net.ground, *merged)) == []


def test_orders_of_an_axis():
    net = Net()
    net.linear(fixed((2, 4)), "a", 6)
    found = symmetry_of(net.ground, net.axes)
    (cell,) = (cell for cell in found.cells if cell.size == 6)
    images = found.moved(cell, np.array([2, 0, 1, 3, 5, 4]))
    (index, _) = found.indices(images)["a"]
    assert index.tolist() == [1, 2, 0, 3, 5, 4]  # the unit at place 0 goes to place 2
    assert isinstance(Axis(3).size, int)
