"""Barriers that two processes compute together are those of one."""

import sys

import pytest
import torch
from torch import nn

import fastscape
from processes import one_thread, several, take_part


def computed() -> fastscape.Barriers:
    generator = torch.Generator().manual_seed(0)
    models = [nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double() for _ in range(3)]
    with torch.no_grad(), one_thread():
        for model in models:
            for tensor in model.parameters():
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
        data = torch.randn(30, 4, generator=generator).double(), torch.arange(30) % 3
        return fastscape.barriers(models, data, plan=fastscape.Plan("loop", 1, 30), progress=False)


def share(environment, folder, _):
    """What each of two processes does."""
    take_part(environment, folder)
    computed().save(folder / f"{environment['RANK']}.json")


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")
def test_two_processes_share_every_line(tmp_path):
    done = several(tmp_path, "", 2, told=share)
    assert done.returncodes == [0, 0], done.stderr
    alone = computed()
    for rank in range(2):
        found = fastscape.Barriers.load(tmp_path / f"{rank}.json")
        for pair, wanted in alone.pairs.items():
            assert found.pairs[pair].report["processes"] == 2
            assert found.pairs[pair]["loss"] == wanted["loss"]
