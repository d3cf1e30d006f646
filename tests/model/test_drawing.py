"""A fixed draw of the samples."""

from dataclasses import replace

import pytest
import torch

from fastscape.model import drawn, problem_of
from fastscape.model.data import Batch
from fastscape.model.objective import Objective
from fastscape.weights import PRECISIONS, Place

INPUTS, TARGETS = torch.arange(100.0)[:, None], torch.arange(100)


def problem(batches, *, whole=False):
    place = Place(torch.device("cpu"), PRECISIONS["float32"])
    made = problem_of(torch.nn.Linear(1, 2), set(), Objective(), batches, place)
    return replace(made, whole=whole)


def pairs(*sizes):
    ends = torch.tensor(sizes).cumsum(0).tolist()
    spans = [(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return [Batch((INPUTS[start:end], TARGETS[start:end]), end - start) for start, end in spans]


def numbers(found):
    return [batch.content[1].tolist() for batch in found.samples]


def test_samples_are_drawn_without_replacement_in_their_order():
    found = drawn(problem(pairs(100)), 30, 0)
    (held,) = numbers(found)
    assert found.size == len(set(held)) == 30
    assert held == sorted(held) != list(range(30))
    assert found.samples[0].content[0].flatten().tolist() == held  # inputs stay with their targets


def test_the_draw_depends_on_the_seed_and_on_nothing_else():
    made, state = problem(pairs(100)), torch.random.get_rng_state()
    first, again, other = (numbers(drawn(made, 30, seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(torch.random.get_rng_state(), state)


def test_of_several_groups_each_gives_its_part():
    found = drawn(problem(pairs(60, 1, 39)), 50, 0)
    assert found.size == 50
    every = [number for batch in numbers(found) for number in batch]
    assert every == sorted(set(every))
    assert min(every) < 60 < max(every)


def test_batches_that_are_one_thing_are_drawn_whole():
    found = drawn(problem(pairs(*[10] * 10), whole=True), 25, 0)
    assert found.whole
    assert [len(batch) for batch in numbers(found)] == [10, 10, 10]
    assert all(batch[0] % 10 == 0 for batch in numbers(found))


def test_what_cannot_be_cut_is_drawn_whole_beside_what_can():
    graph = Batch(((INPUTS[:3], None, torch.zeros(())), TARGETS[:3]), 3)
    assert not graph.divisible
    found = drawn(problem([graph, *pairs(5)]), 8, 0)
    assert found.size == 8
    assert found.samples[0] is graph


@pytest.mark.parametrize("count", [100, 1000])
def test_all_are_drawn_where_there_are_no_more(count):
    assert numbers(drawn(problem(pairs(100)), count, 0)) == [list(range(100))]
