"""Fixed microbatches: whatever gives the samples, every sample once, in order, the same for every point."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import fastscape
from fastscape.model import Batch, batches_of, fixed_samples
from fastscape.model.batch_structure import cut, joined, mapped, tensors
from fastscape.model.data import parts_of

CPU = torch.device("cpu")
INPUTS = torch.arange(22, dtype=torch.float32).view(11, 2)
TARGETS = torch.arange(11)


def fixed_batches(data, microbatch: int, **options) -> list[Batch]:
    return batches_of(fixed_samples(data, **options), microbatch)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(INPUTS, TARGETS, strict=True))


SOURCES = {
    "tensors": lambda: (INPUTS, TARGETS),
    "list of two": lambda: [INPUTS, TARGETS],
    "arrays": lambda: (INPUTS.numpy(), TARGETS.numpy()),
    "dataset": lambda: TensorDataset(INPUTS, TARGETS),
    "iterable dataset": Stream,
    "loader": lambda: DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=3),
    "list of batches": lambda: [(INPUTS[:2], TARGETS[:2]), (INPUTS[2:], TARGETS[2:])],
    "generator": lambda: ((INPUTS[i : i + 5], TARGETS[i : i + 5]) for i in range(0, 11, 5)),
    "empty batches between": lambda: [(INPUTS, TARGETS), (INPUTS[:0], TARGETS[:0])],
}


@pytest.mark.parametrize("microbatch", [1, 4, 11, 64])
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_same_microbatches(source, microbatch):
    batches = fixed_batches(SOURCES[source](), microbatch, device=CPU, dtype=torch.float64)
    sizes = [batch.samples for batch in batches]
    assert sizes[:-1] == [microbatch] * (len(sizes) - 1)
    assert sizes[-1] <= microbatch
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), INPUTS.double())
    assert torch.equal(torch.cat([batch.content[1] for batch in batches]), TARGETS)
    assert batches[0].content[1].dtype == torch.int64


@given(sizes=st.lists(st.integers(0, 7), min_size=1, max_size=6), microbatch=st.integers(1, 8))
def test_the_users_batch_sizes_decide_nothing(sizes, microbatch):
    total = sum(sizes)
    if not total:
        return
    inputs = torch.arange(float(total))[:, None]
    batches = fixed_batches(
        zip(inputs.split(sizes), inputs.split(sizes), strict=True), microbatch, device=CPU, dtype=torch.float32
    )
    assert [b.samples for b in batches] == [len(part) for part in inputs.split(microbatch)]


def test_batches_of_different_shapes_stay_apart():
    sequences = [
        (torch.zeros(3, 5), torch.zeros(3)),
        (torch.zeros(2, 7), torch.zeros(2)),
        (torch.zeros(4, 7), torch.zeros(4)),
    ]
    batches = fixed_batches(sequences, 64, device=CPU, dtype=torch.float32)
    assert [tuple(batch.inputs.shape) for batch in batches] == [(3, 5), (6, 7)]


def test_a_shuffling_loader_is_read_once():
    """Each point sees the same samples, so two equal points have equal losses."""
    reads = []

    class Counting(TensorDataset):
        def __getitem__(self, index):
            reads.append(index)
            return super().__getitem__(index)

    loader = DataLoader(Counting(INPUTS, TARGETS.float()), batch_size=4, shuffle=True)
    model = torch.nn.Linear(2, 1, bias=False)
    landscape = fastscape.surface(
        model,
        loader,
        loss=lambda o, t: (o[:, 0] - t) ** 2 * t,
        x=[0.0, 1e-12, 2e-12],
        y=(0, 0, 1),
        precision="float64",
    )
    assert sorted(reads) == list(range(11))
    assert np.ptp(landscape.loss) < 1e-6


def test_a_loader_that_reuses_its_memory_is_copied():
    memory = torch.zeros(2, 1)

    def reusing():
        for value in (1.0, 2.0):
            memory.fill_(value)
            yield memory, memory

    batches = fixed_batches(reusing(), 2, device=CPU, dtype=torch.float32)
    assert [batch.inputs[0].item() for batch in batches] == [1.0, 2.0]


def test_batches_that_cannot_be_cut_count_by_their_targets():
    """Sequences with the time first, by name: the inputs have another length than the targets."""
    batches = [({"x": torch.zeros(5, n, 2)}, torch.zeros(n)) for n in (3, 4)]
    fixed = fixed_batches(batches, 2, device=CPU, dtype=torch.float32)
    assert [batch.samples for batch in fixed] == [3, 4]
    assert [tuple(batch.inputs["x"].shape) for batch in fixed] == [(5, 3, 2), (5, 4, 2)]


def test_inputs_alone_are_their_own_targets():
    for data in (INPUTS, [[INPUTS]], TensorDataset(INPUTS)):
        (batch,) = fixed_batches(data, 64, device=CPU, dtype=torch.float32)
        assert torch.equal(batch.content[0], INPUTS)
        assert torch.equal(batch.content[1], INPUTS)
        assert batch.content[0] is not batch.content[1]


class Bag:
    """An object with tensors, some of them in a list, and one in slots."""

    def __init__(self) -> None:
        self.a, self.rest, self.name = torch.ones(2), [torch.ones(3), {"b": torch.zeros(1, dtype=torch.int64)}], "bag"
        self.self = self


def test_objects_keep_their_class_and_get_other_tensors():
    bag = Bag()
    copied = mapped(bag, lambda tensor: tensor + 1)
    assert type(copied) is Bag
    assert copied.self is copied
    assert (copied.a.tolist(), copied.rest[0].tolist(), copied.rest[1]["b"].tolist()) == ([2, 2], [2, 2, 2], [1])
    assert bag.a.tolist() == [1, 1]
    assert len(tensors(bag)) == 3
    (batch,) = fixed_samples([bag], device=CPU, dtype=torch.float64, pairs=False)
    assert (batch.samples, batch.divisible, batch.content.a.dtype) == (1, False, torch.float64)


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any), microbatch=st.integers(1, 5))
def test_batches_of_any_structure_are_cut_and_joined(sizes, microbatch):
    total = sum(sizes)
    whole = {"a": torch.arange(total), "b": (torch.arange(total)[:, None] / 2, [None, torch.arange(total) + 1])}
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    parts = [cut(whole, start, start + size) for start, size in zip(starts, sizes, strict=True)]
    fixed = batches_of(fixed_samples(parts, device=CPU, dtype=torch.float32, pairs=False), microbatch)
    assert [batch.samples for batch in fixed] == [len(part) for part in torch.arange(total).split(microbatch)]
    again = joined([batch.content for batch in fixed])
    assert again["b"][1][0] is None
    assert all(torch.equal(one, other) for one, other in zip(tensors(again), tensors(whole), strict=True))


def test_what_holds_no_tensor_is_no_batch():
    for data in (["abc"], [3], [{"a": "b"}], [None], [Bag]):
        with pytest.raises(TypeError, match=r"where a tensor belongs|a dictionary without tensors, a a str"):
            fixed_samples(data, device=CPU, dtype=torch.float32, pairs=False)


def test_batches_are_joined_before_they_go_to_a_gpu():
    """Joining holds them twice; the device without memory stands for one."""
    joined_on = []

    class Joining(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            made = func(*args, **(kwargs or {}))
            if "cat" in func.__name__:
                joined_on.append(made.device.type)
            return made

    data = [(torch.rand(3, 2), torch.zeros(3)) for _ in range(4)]
    with Joining():
        (batch,) = fixed_samples(data, device=torch.device("meta"), dtype=torch.float32)
        parts = list(parts_of(data, 6, device=torch.device("meta"), dtype=torch.float32))
    assert joined_on == ["cpu"] * 6
    assert batch.samples == 12
    assert [part.samples for (part,) in parts] == [6, 6]
    assert {t.device.type for found in (batch, *(part for (part,) in parts)) for t in found.content} == {"meta"}
