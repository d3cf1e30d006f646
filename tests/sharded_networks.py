"""Small language models of transformers with random weights, whole and under `fully_shard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sharded_models
import torch
from sharded_models import GRID, parts_of
from torch import Tensor, nn

import fastscape

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 24,
    "intermediate_size": 36,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}
NAMES = "gpt2", "llama", "qwen3", "mixtral"


def network(name: str) -> nn.Module:
    """A model with the same weights in every process."""
    import transformers as of

    configurations: dict[str, Any] = {
        "gpt2": lambda: of.GPT2Config(vocab_size=61, n_embd=24, n_layer=2, n_head=4, n_positions=32),
        "llama": lambda: of.LlamaConfig(**SMALL),
        "qwen3": lambda: of.Qwen3Config(**SMALL, head_dim=6, tie_word_embeddings=True),
        "mixtral": lambda: of.MixtralConfig(**SMALL, num_local_experts=3, num_experts_per_tok=2),
    }
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return of.AutoModelForCausalLM.from_config(configurations[name]()).eval()


def texts() -> list[dict[str, Tensor]]:
    """Two batches of tokens."""
    tokens = torch.randint(61, (5, 11), generator=torch.Generator().manual_seed(1))
    return [{"tokens": tokens[:3]}, {"tokens": tokens[3:]}]


def own_loss(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """The loss that the model itself gives."""
    loss: Tensor = model(input_ids=batch["tokens"], labels=batch["tokens"]).loss
    return loss


def surface(model: nn.Module, **options: Any) -> fastscape.Landscape:
    """The surface that all compute."""
    return fastscape.surface(model, texts(), objective=own_loss, **{**GRID, **options})


def _sharded(name: str, *shape: int, **options: Any) -> dict[str, Any]:
    from torch.distributed.fsdp import fully_shard

    mesh, model = sharded_models.mesh_of(*shape), network(name)
    inner: Any = model.transformer.h if name == "gpt2" else model.model.layers
    for block in inner:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    before = parts_of(model)
    return sharded_models.came_of(model, surface(model, **options), before)


def case(doing: str, folder: Path) -> dict[str, Any]:
    """What came of a network: its name, how many replicas there are, and whether it is in place."""
    name, replicas, way = doing.split("-")
    processes = torch.distributed.get_world_size()
    shape = (processes,) if replicas == "1" else (int(replicas), processes // int(replicas))
    return _sharded(name, *shape, low_memory=way == "place", keep="cpu" if way == "place" else "device")
