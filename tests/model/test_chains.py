"""The parts of a model that are taken as one."""

import pytest
import torch
from torch import nn

from fastscape.model import units_of
from fastscape.zoo import models


class Transformer(nn.Module):
    """A chain of blocks between an embedding and a head, behind one more module."""

    def __init__(self, blocks=4, words=5):
        super().__init__()
        self.body = nn.Module()
        self.body.words = nn.Embedding(words, 8)
        self.body.layers = nn.ModuleList(
            [nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8)) for _ in range(blocks)]
        )
        self.body.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)
        self.offset = nn.Parameter(torch.zeros(3))


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.relu = nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()
        self.again = self.a


class Stages(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(
            nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Sequential(*[nn.Linear(4, 4) for _ in range(3)])
        )


class Experts(nn.Module):
    """Blocks with a longer chain inside."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.ModuleDict({"experts": nn.ModuleList([nn.Linear(4, 4) for _ in range(6)])}) for _ in range(3)]
        )


BLOCKS = [f"body.layers.{k}" for k in range(4)]


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (nn.Linear(2, 2), [""]),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)), ["0", "2"]),
        (Plain(), ["a", "b"]),
        (Transformer(), ["body.words", *BLOCKS, "body.norm", "head"]),
        (Transformer(words=900), ["body.words", *BLOCKS, "body.norm", "head"]),
        (nn.Sequential(Transformer(), nn.Linear(2, 2)),
         ["0.body.words", *(f"0.{path}" for path in BLOCKS), "0.body.norm", "0.head", "1"]),
        (Transformer(blocks=1, words=900), ["body.words", "body.layers.0", "body.norm", "head"]),
        (Stages(), ["stages.0", "stages.1.0", "stages.1.1", "stages.1.2"]),
        (models.build("resnet8", in_channels=1, image_size=8, seed=0),
         ["stem", "stem_norm", "blocks.0", "blocks.1", "blocks.2.conv1", "blocks.2.norm1", "blocks.2.conv2",
          "blocks.2.norm2", "head"]),
        (models.build("resnet20", in_channels=1, image_size=8, seed=0),
         ["stem", "stem_norm", *(f"blocks.{k}" for k in range(9)), "head"]),
        (nn.ReLU(), []),
    ],
    ids=["a layer", "sequential", "no chain", "transformer", "large embedding", "inside of a chain", "one block",
         "stages", "resnet8", "resnet20", "nothing"],
)  # fmt: skip
def test_the_parts_of_a_model(model, wanted):
    assert [unit.path for unit in units_of(model)] == wanted
    assert all(model.get_submodule(unit.path) is unit.module for unit in units_of(model))


def test_a_dictionary_of_modules_is_never_called_and_so_no_part():
    assert [unit.path for unit in units_of(Experts())] == [
        f"layers.{k}.experts.{expert}" for k in range(3) for expert in range(6)
    ]


def test_no_module_is_in_two_parts():
    model = Transformer()
    model.again = model.body.layers[1]
    met = [id(module) for unit in units_of(model) for module in unit.module.modules()]
    assert len(met) == len(set(met))
