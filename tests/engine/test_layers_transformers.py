"""Language models of transformers, block by block, where that package is installed."""

import pytest
import torch
import torch.nn.functional as F

import fastscape
from fastscape import Plan
from fastscape.engine.block_weights import Sweep
from tolerance import assert_close

transformers = pytest.importorskip("transformers")

TINY = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
WIDE = TINY | {"intermediate_size": 24, "max_position_embeddings": 32, "num_key_value_heads": 2, "head_dim": 8}
ENDS = {"bos_token_id": 0, "eos_token_id": 1}
MODELS = {
    "GPT2": {"vocab_size": 40, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 32, **ENDS},
    "Llama": WIDE,
    "Qwen3": WIDE | ENDS | {"tie_word_embeddings": True},
    "Mixtral": WIDE | {"num_local_experts": 4, "num_experts_per_tok": 2, "experts_implementation": "eager"},
}
GRID = {"x": (-1, 1, 2), "y": (-0.5, 1, 2), "progress": False}


def model_of(name):
    torch.manual_seed(0)
    kind = {"GPT2": "GPT2LMHeadModel"}.get(name, f"{name}ForCausalLM")
    return getattr(transformers, kind)(getattr(transformers, f"{name}Config")(**MODELS[name])).eval()


def own_loss(call, batch):
    return call(input_ids=batch["input_ids"], labels=batch["input_ids"]).loss


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lend", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_language_model_block_by_block(name, lend, monkeypatch):
    model, made = model_of(name).double(), []
    original = Sweep._entered

    def noted(self, place, number):
        made.append(place)
        original(self, place, number)

    monkeypatch.setattr(Sweep, "_entered", noted)
    data = [{"input_ids": torch.randint(2, 40, (2, 7))} for _ in range(2)]
    options = {"objective": own_loss, "lend": lend, "low_memory": True, **GRID}
    found = fastscape.surface(model, data, plan=Plan("layers", 4), **options)
    plain = fastscape.surface(model, data, plan=Plan("loop", 1), **options)
    assert found.report["fallback"] is None
    assert_close(found.loss, plain.loss, 1e-12)
    # Four points of two batches through three blocks, and an embedding and a head at least.
    assert len({place for place in made if place is not None and place.name is None}) >= 5
    assert not [place for place in made if place is not None and place.name is not None]


@pytest.mark.filterwarnings("ignore")
def test_the_loss_is_that_of_the_model_itself():
    model = model_of("GPT2")
    words = torch.randint(2, 40, (3, 9))
    found = fastscape.line(
        model, [{"input_ids": words}], objective=own_loss, x=(0, 1, 2), plan=Plan("layers", 2), progress=False
    )
    with torch.no_grad():
        logits = model(input_ids=words).logits
    wanted = F.cross_entropy(logits[:, :-1].flatten(0, 1), words[:, 1:].flatten())
    assert found.loss[0] == pytest.approx(float(wanted), rel=1e-6)
