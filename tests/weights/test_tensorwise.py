"""A basis of which no vector is whole in memory: the numbers of the one that is; and where tensors are kept."""

import pytest
import torch
from case_in_place import KINDS
from safetensors.torch import load_file
from torch import nn

from fastscape.kernels import Seeded, interpolate
from fastscape.weights import (
    NORMS,
    PRECISIONS,
    SURFACES,
    Deferred,
    Loan,
    Place,
    Random,
    SpaceAsked,
    Tensorwise,
    as_kept,
    basis_seeded,
    kept_tensors,
    layout_of,
    space_of,
    tensors_of,
    tensorwise,
)
from fastscape.weights import kept as keeping
from fastscape.weights.norms import by_input

CPU = torch.device("cpu")
TENSORS = {
    "matrix": torch.randn(5, 7),
    "narrow": torch.randn(3, 3).to(torch.bfloat16),
    "transposed": torch.randn(4, 6, dtype=torch.float64).t(),
    "images": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
    "numbers": torch.arange(5),
    "flags": torch.tensor([True, False, True]),
    "one": torch.tensor(2.5),
    "none": torch.empty(0, 4),
    "complex": torch.randn(3, dtype=torch.complex64),
    "wide": torch.randn(3, dtype=torch.complex128),
    "conjugate": torch.randn(2, 3, dtype=torch.complex64).conj(),
}


def whole(model: nn.Module, distribution: str, normalize: str, perturb: str = "states"):
    """The two bases of a model: tensor by tensor, and with theta whole in memory."""
    layout, loan = layout_of(model, perturb, by_input=by_input(normalize)), Loan("disk", in_place=True)
    loan.take(tensors_of(model))
    asked = SpaceAsked(2, Random(5, distribution), SURFACES["plane"], "plane", perturb, normalize, low_memory=True)
    space = space_of(model, asked, Place(CPU, PRECISIONS["float64"], own=True, lent=loan))
    plain = Place(CPU, PRECISIONS["float64"])
    return space.basis, basis_seeded(tensors_of(model), layout, Random(5, distribution), normalize, plain, count=2)


@pytest.mark.parametrize("part", [7, 64, 1 << 18])
@pytest.mark.parametrize("normalize", NORMS)
@pytest.mark.parametrize("name", ["normalised", "convolutions", "complex", "not contiguous"])
def test_rows_gram_and_points_are_those_of_a_basis_in_memory(name, normalize, part, monkeypatch):
    monkeypatch.setattr(tensorwise, "PART", part)
    own, seeded = whole(KINDS[name](), "normal", normalize)
    assert isinstance(own.vectors, Tensorwise)
    assert isinstance(seeded.vectors, Seeded)
    torch.testing.assert_close(own.gram, seeded.gram, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(own.factors, seeded.factors, rtol=1e-12, atol=0)
    layout = own.layout
    c = torch.randn(1, layout.segments.count, 3, dtype=torch.float64)
    point = layout.unflatten(interpolate(seeded.vectors, c, layout.segments)[0])
    for entry in layout.entries:
        rows = seeded.vectors.rows(entry.offset, entry.stop)
        assert torch.equal(own.vectors.rows(entry), rows)
        parts = list(own.vectors.parts(entry))
        assert [p.start for p in parts] == [entry.offset, *(p.stop for p in parts[:-1])]
        assert parts[-1].stop == entry.stop
        assert part > 7 or len(parts) > 1 or entry.numel <= 7
        assert torch.equal(torch.cat([own.vectors.rows(entry, p) for p in parts], dim=1), rows)
        out = torch.full_like(point[entry.name], torch.nan)
        own.vectors.point(entry, c[0], out)
        torch.testing.assert_close(out, point[entry.name], rtol=1e-15, atol=1e-15)
        again = torch.full_like(out, torch.nan)
        own.vectors.write(entry, own.vectors.rows(entry), c[0], again)
        torch.testing.assert_close(again, out, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
def test_a_shard_of_a_tensor_has_the_numbers_of_the_whole(distribution):
    own, _ = whole(KINDS["normalised"](), distribution, "filter")
    entry = own.layout.entries[0]
    rows = own.vectors.rows(entry)
    theta = own.vectors.kept.read(entry.name)
    length = entry.numel // entry.filters
    shard = own.vectors.rows_at(entry.offset + 2 * length, theta[2:5])
    assert torch.equal(shard, rows[:, 2 * length : 5 * length])
    c = torch.randn(own.layout.segments.count, 3, dtype=torch.float64)
    made = own.vectors.combined(shard, c, entry.offset + 2 * length)
    whole_tensor = torch.empty_like(theta)
    own.vectors.point(entry, c, whole_tensor)
    torch.testing.assert_close(made.view(3, length), whole_tensor[2:5], rtol=1e-15, atol=1e-15)


def test_directions_without_a_coefficient_are_not_drawn(monkeypatch):
    own, _ = whole(KINDS["normalised"](), "normal", "none")
    entry, drawn = own.layout.entries[0], []
    real = tensorwise.draw
    monkeypatch.setattr(tensorwise, "draw", lambda row, seed, k, **more: (drawn.append(k), real(row, seed, k, **more)))
    out = torch.empty(entry.shape, dtype=torch.float64)
    for c, wanted in (([1.0, 0, 0], []), ([1.0, 0, 0.5], [1]), ([1.0, 0.5, 0], [0])):
        drawn.clear()
        own.vectors.point(entry, torch.tensor([c], dtype=torch.float64), out)
        assert drawn == wanted
        assert torch.equal(out, own.vectors.kept.read(entry.name)) == (not wanted)


@pytest.mark.parametrize("keep", ["device", "cpu", "disk"])
def test_what_is_kept_is_what_was_there(keep):
    before = {name: tensor.clone() for name, tensor in TENSORS.items()}
    kept = kept_tensors(TENSORS, keep)
    for name, tensor in before.items():
        found = kept.read(name)
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape), name
        assert torch.equal(found.resolve_conj(), tensor.resolve_conj()), name
        assert found.data_ptr() != TENSORS[name].data_ptr() or not tensor.numel(), name
    kept.close()


def test_the_file_is_a_safetensors_file(tmp_path):
    plain = {name: tensor for name, tensor in TENSORS.items() if name not in ("wide", "conjugate")}
    keeping._written(tmp_path / "model.safetensors", {**plain, "odd": torch.ones(3, dtype=torch.complex128)})
    found = load_file(tmp_path / "model.safetensors")
    for name, tensor in plain.items():
        assert torch.equal(found[name], tensor), name
    assert found["odd"].dtype == torch.uint8  # of which safetensors has no name
    assert len(found["odd"]) == 48


def test_a_deferred_tensor_is_a_tensor_to_all_that_reads_it():
    kept = kept_tensors(TENSORS, "disk")
    tensor, own = as_kept(kept, "matrix", CPU), TENSORS["matrix"]
    assert isinstance(tensor, Deferred)
    assert (tensor.shape, tensor.dtype, tensor.numel(), tensor.device) == (own.shape, own.dtype, own.numel(), CPU)
    assert torch.equal(tensor * 2 + 1, own * 2 + 1)
    assert torch.equal(tensor.to(torch.float64), own.double())
    assert tensor.to(torch.float32) is tensor
    assert type(tensor.clone()) is torch.Tensor
    assert torch.equal(torch.stack([tensor, own]), torch.stack([own, own]))
    assert torch.equal(tensor, own)
    assert torch.equal(own, tensor.detach())
    assert not torch.equal(tensor, own + 1)
    assert torch.equal(torch.empty_like(own).copy_(tensor), own)
    assert "Deferred" in repr(tensor)
    with pytest.raises(RuntimeError, match="clone it first"):
        tensor.add_(1)
    with pytest.raises(RuntimeError, match="clone it first"):
        torch.add(own, own, out=tensor)


def test_a_loan_writes_what_is_not_there_yet(monkeypatch):
    loan, model = Loan("disk", in_place=True), nn.Linear(3, 2)
    loan.take(tensors_of(model))
    before, weight = model.weight.detach().clone(), as_kept(loan, "weight", CPU)
    written = []
    real = type(weight.making).write
    monkeypatch.setattr(type(weight.making), "write", lambda self, out: (written.append(1), real(self, out)))
    model.weight.data.zero_()
    loan.write(model.weight, weight, anew=False)
    loan.write(model.weight, weight, anew=False)
    assert len(written) == 1
    assert torch.equal(model.weight, before)
    loan.write(model.weight, weight, anew=True)
    assert len(written) == 2
    with torch.no_grad():
        model.weight.add_(1)  # as a forward pass may
    loan.write(model.weight, weight, anew=False)
    assert len(written) == 3
    assert torch.equal(model.weight, before)
    loan.write(model.weight, as_kept(loan, "weight", CPU), anew=False)  # of another point
    assert len(written) == 4
    loan.write(model.weight, torch.zeros(2, 3), anew=False)
    assert not model.weight.any()
    loan.close()
    with pytest.raises(RuntimeError, match="outside of a run"):
        loan.read("weight")
