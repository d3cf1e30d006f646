"""Lent models whose tensors lie in memory in an odd way, or change their memory in a forward pass."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape

DATA = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) % 3
GRID = {"x": (-0.4, 0.5, 3), "y": (-0.5, 0.5, 3), "progress": False, "seed": 3}
WAYS = [{}, {"low_memory": True}, {"low_memory": True, "keep": "disk"}]


class Odd(nn.Module):
    """A layer, and a matrix beside it that lies in memory in some way."""

    def __init__(self, matrix: torch.Tensor, *, moves: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3).double()
        if moves:
            self.matrix = nn.Parameter(matrix)
        else:
            self.register_buffer("matrix", matrix)

    def forward(self, x):
        return self.layer(x) + (self.matrix @ x.T).T


def matrix() -> torch.Tensor:
    return torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.filterwarnings("ignore:Sparse .* support is in beta")
@pytest.mark.parametrize("moves", [False, True], ids=["buffer", "parameter"])
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
@pytest.mark.parametrize("lend", [False, True])
@pytest.mark.parametrize("low_memory", [False, True])
def test_sparse_tensors_that_stay_still(layout, moves, lend, low_memory):
    model = Odd(matrix().to_sparse(layout=layout), moves=moves)
    dense = Odd(matrix(), moves=False)
    dense.layer.load_state_dict(model.layer.state_dict())
    options = {**GRID, "perturb": lambda name, _: name == "layer.weight", "low_memory": low_memory}
    found = fastscape.surface(model, DATA, lend=lend, **options)
    np.testing.assert_allclose(found.loss, fastscape.surface(dense, DATA, **options).loss, rtol=1e-12)
    assert np.ptp(found.loss) > 0.01
    assert torch.equal(model.matrix.to_dense(), matrix())


@pytest.mark.filterwarnings("ignore:Sparse .* support is in beta")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
@pytest.mark.parametrize("options", [{}, *({"lend": True, **way} for way in WAYS)])
def test_sparse_weights_do_not_move(layout, options):
    model = Odd(matrix().to_sparse(layout=layout), moves=True)
    name = str(layout)[6:]
    message = rf"^matrix is sparse \({name}\), and only dense tensors move; make it dense, .*to_dense\(\)"
    with pytest.raises(ValueError, match=message):
        fastscape.surface(model, DATA, **GRID, **options)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("moves", [False, True], ids=["buffer", "parameter"])
@pytest.mark.parametrize("shape", ["expanded", "sliding"])
def test_entries_in_the_same_memory_cannot_be_written(shape, moves, way):
    row = torch.randn(6, dtype=torch.float64)
    odd = row[:3, None].expand(3, 4) if shape == "expanded" else row.as_strided((3, 4), (1, 1))
    model = Odd(odd, moves=moves)
    before = odd.clone()
    with pytest.raises(ValueError, match=r"^entries of matrix lie in the same memory .*; leave out lend, or give it"):
        fastscape.surface(model, DATA, lend=True, **GRID, **way)
    assert torch.equal(model.matrix, before)
    tensor = model.matrix
    tensor.data = tensor.data.contiguous()  # what the error says
    found = fastscape.surface(model, DATA, lend=True, **GRID, **way)
    wanted = fastscape.surface(model, DATA, **GRID, low_memory=way.get("low_memory", False))
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)


def test_entries_that_only_lie_in_another_order_can_be_written():
    """Rows and columns that lie between each other, and dimensions in another order, each entry by itself."""
    row = torch.randn(14, dtype=torch.float64)
    for odd in (row.as_strided((3, 4), (1, 3)), row.as_strided((3, 4), (4, 1))[:, [0, 1, 2, 3]]):
        fastscape.surface(Odd(odd, moves=True), DATA, lend=True, **GRID)
    between = row.as_strided((3, 4), (2, 3))
    assert len({2 * i + 3 * j for i in range(3) for j in range(4)}) == 12
    model = Odd(between, moves=True)
    found = fastscape.surface(model, DATA, lend=True, **GRID)
    np.testing.assert_allclose(found.loss, fastscape.surface(model, DATA, **GRID).loss, rtol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_tensors_of_inference_mode(way):
    with torch.inference_mode():
        model = Odd(matrix(), moves=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = fastscape.surface(model, DATA, lend=True, **GRID, **way)
    plain = Odd(matrix(), moves=True)
    plain.load_state_dict(before)
    wanted = fastscape.surface(plain, DATA, **GRID, low_memory=way.get("low_memory", False))
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(tensor.is_inference() for tensor in model.state_dict().values())


class Cutting(nn.Module):
    """Gives its weights other memory in its forward pass, of which each pass changes the values."""

    def __init__(self, flat: torch.Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(flat[:12].view(3, 4)), nn.Parameter(flat[12:])

    def forward(self, x):
        self.weight.data = self.weight.data * 1.1
        self.bias.data = self.bias.data + 0.1
        return F.linear(x, self.weight, self.bias)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("raised", [None, ArithmeticError])
def test_a_forward_that_gives_weights_other_memory(way, raised):
    """Each evaluation is that of a fresh copy; afterwards all lie again where they lay, in one buffer."""
    flat = torch.randn(15, dtype=torch.float64)
    model, before = Cutting(flat), flat.clone()
    direction = {"weight": torch.randn(3, 4, dtype=torch.float64)}
    calls = []

    def loss(outputs, targets):
        calls.append(1)
        if raised is not None and len(calls) > 7:
            raise raised("stop")
        return F.cross_entropy(outputs, targets)

    options = {"loss": loss, "lend": True, **GRID, **way}
    if not way:
        options |= {"directions": [direction, {"weight": direction["weight"].flip(0)}], "seed": 0}
    if raised is not None:
        with pytest.raises(raised):
            fastscape.surface(model, DATA, **options)
    else:
        found = fastscape.surface(model, DATA, **options)
        fresh = Cutting(before.clone())
        copied = fastscape.surface(fresh, DATA, **{**options, "lend": False, "keep": "device"})
        np.testing.assert_allclose(found.loss, copied.loss, rtol=1e-12)
        if not way:
            for i, j in np.ndindex(found.shape):
                moved = Cutting(before.clone())
                step = found.x[i] * direction["weight"] + found.y[j] * direction["weight"].flip(0)
                moved.weight.data += step
                right = F.cross_entropy(copy.deepcopy(moved)(DATA[0]), DATA[1]).item()
                assert found.loss[i, j] == pytest.approx(right, rel=1e-12)
    assert torch.equal(flat, before)
    assert model.weight.data_ptr() == flat.data_ptr()
    assert model.bias.data_ptr() == flat[12:].data_ptr()
    flat.zero_()
    assert not model.weight.any()
