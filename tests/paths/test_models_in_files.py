"""The other model of a line, a curve and an alignment may be a file: the values are those of its tensors."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import fastscape

torch.manual_seed(0)
DATA = torch.randn(30, 4), torch.randint(3, (30,))


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).eval()


def line(to):
    return fastscape.line(network(0), DATA, to=to, x=(0, 1, 3), progress=False).loss


def curve(b):
    return fastscape.connect(network(0), b, DATA, steps=3, progress=False).losses


def alignment(to):
    return fastscape.align(network(0), DATA, to=to, progress=False).distance_after


@pytest.fixture(params=["b.pt", "b.safetensors"])
def file(request, tmp_path):
    state = network(1).state_dict()
    (save_file if request.param.endswith("safetensors") else torch.save)(state, tmp_path / request.param)
    return tmp_path / request.param


@pytest.mark.parametrize("call", [line, curve, alignment])
def test_a_file_is_as_good_as_its_tensors(call, file):
    before = file.read_bytes()
    expected = np.asarray(call(network(1).state_dict()))
    assert np.array_equal(call(file), expected)
    assert np.array_equal(call(str(file)), expected)
    assert file.read_bytes() == before


def test_a_line_that_began_with_a_file_is_computed_again(file):
    found = fastscape.line(network(0), DATA, to=file, x=(0, 1, 3), progress=False)
    assert np.array_equal(found.reproduce(network(0), DATA, to=file).loss, found.loss)


@pytest.mark.parametrize("call", [line, curve, alignment])
def test_files_that_cannot_be_read(call, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pt, which does not exist"):
        call(tmp_path / "none.pt")
    (tmp_path / "torn.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"torn\.pt"):
        call(tmp_path / "torn.pt")
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "else.pt")
    with pytest.raises(ValueError, match="a model of the same architecture"):
        call(tmp_path / "else.pt")
