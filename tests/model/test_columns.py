"""Which sums a point has: their names, their places, and over how many samples they are."""

from operator import attrgetter

import pytest
import torch

from fastscape.model.batch import Batch
from fastscape.model.columns import Columns, with_classes

SEEN = {"loss": torch.zeros(3), "largest": torch.zeros(()), "accuracy": torch.zeros(3)}


def batch(targets, of=0):
    return Batch((torch.zeros(len(targets), 1), torch.tensor(targets)), len(targets), of)


SAMPLES = [batch([0, 1, 1]), batch([2, -100]), batch([1, 0], 1), batch([0], 1)]
COLUMNS = Columns(("train", "test"), (1, 0)).seen(SEEN)


def test_names_read_well_in_a_legend():
    assert Columns().seen(SEEN).names == ("loss", "largest", "accuracy")
    assert Columns(("train",)).seen(SEEN).names == ("loss", "largest", "accuracy")
    first = ("loss", "largest", "accuracy", "loss of class 1", "loss of class 0")
    first += ("accuracy of class 1", "accuracy of class 0")
    assert COLUMNS.names == (*first, *(f"{name} of test" for name in first))


@pytest.mark.parametrize("moments", [0, 1, 3])
def test_a_batch_has_the_sums_of_its_set(moments):
    row = torch.arange(1.0, 8 + moments)
    first, second = (COLUMNS.placed(row, of, moments=moments) for of in (0, 1))
    assert first.tolist() == [*range(1, 8), *[0] * 7, *(range(8, 8 + moments))]
    assert second.tolist() == [*[0] * 7, *range(1, 8), *([0] * moments)]
    assert Columns(("train",)).placed(row, 0, moments=moments) is row


def test_every_sum_is_over_its_own_samples():
    counts = [5, 5, 5, 2, 1, 2, 1, 3, 3, 3, 1, 2, 1, 2]
    size = attrgetter("samples")
    assert COLUMNS.counts(SAMPLES, moments=0, size=size).tolist() == counts
    assert COLUMNS.counts(SAMPLES, moments=1, size=size).tolist() == [*counts, 5]
    assert Columns().seen(SEEN).counts(SAMPLES[:2], moments=1, size=size).tolist() == 5  # one for all


def test_sums_over_classes():
    values = {**SEEN, "loss": torch.tensor([1.0, torch.nan, 4.0]), "accuracy": torch.tensor([1.0, 0.0, 1.0])}
    targets = torch.tensor([1, 7, 1])
    assert COLUMNS.over_classes(values, targets).tolist() == [5, 0, 2, 0]
    apart = Columns(classes=(7, 1)).seen(SEEN).over_classes(values, targets)
    assert apart[0].isnan()
    assert apart[1:].tolist() == [5, 0, 2]
    with pytest.raises(ValueError, match=r"accuracy returned shape \(\) after one value a sample"):
        COLUMNS.over_classes({**values, "accuracy": torch.zeros(())}, targets)


def test_all_classes_are_those_that_every_set_has():
    assert with_classes(Columns(), None, SAMPLES[:2]).classes == ()
    assert with_classes(Columns(), True, SAMPLES[:2]).classes == (0, 1, 2)
    both = Columns(("train", "test"))
    assert with_classes(both, True, SAMPLES).classes == (0, 1)
    with pytest.raises(ValueError, match="the data set 'test' has no sample of class 2"):
        with_classes(both, [1, 2], SAMPLES)
    assert with_classes(both, [1, 2], SAMPLES, some=True).classes == (1, 2)  # later parts may have some
