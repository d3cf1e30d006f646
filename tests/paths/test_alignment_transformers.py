"""Alignment of small models of transformers, where that package is installed."""

import copy

import pytest
import torch
from paths.test_alignment_families import redrawn

import fastscape

transformers = pytest.importorskip("transformers")

TINY = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = TINY | {"intermediate_size": 24, "max_position_embeddings": 32}
MODELS = {
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {"vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4,
                                               "n_positions": 32, "bos_token_id": 0, "eos_token_id": 1}),
    "llama": ("LlamaForCausalLM", "LlamaConfig", WIDE | {"num_key_value_heads": 2, "head_dim": 8}),
    "bert": ("BertForMaskedLM", "BertConfig", WIDE),
    "qwen3": ("Qwen3ForCausalLM", "Qwen3Config", WIDE | {"num_key_value_heads": 2, "head_dim": 8,
                                                        "bos_token_id": 0, "eos_token_id": 1}),
    "t5": ("T5ForConditionalGeneration", "T5Config", {"vocab_size": 40, "d_model": 32, "d_kv": 8, "d_ff": 24,
                                                      "num_layers": 1, "num_heads": 4, "decoder_start_token_id": 0}),
}  # fmt: skip
WANTED = {
    "gpt2": {"transformer.wte.weight[1]", "transformer.h.0.mlp.c_fc.weight[1]",
             "transformer.h.0.attn.c_attn.weight[1]"},
    "llama": {"model.embed_tokens.weight[1]", "model.layers.0.self_attn.q_proj.weight[0]",
              "model.layers.0.self_attn.v_proj.weight[0]", "model.layers.0.mlp.gate_proj.weight[0]"},
    "bert": {"bert.encoder.layer.0.attention.self.query.weight[0]",
             "bert.encoder.layer.1.intermediate.dense.weight[0]"},
    "qwen3": {"model.layers.1.self_attn.k_proj.weight[0]", "model.layers.0.mlp.gate_proj.weight[0]"},
    "t5": {"encoder.block.0.layer.0.SelfAttention.q.weight[0]", "decoder.block.0.layer.1.EncDecAttention.q.weight[0]"},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_a_language_model(name):
    model, config, options = MODELS[name]
    torch.manual_seed(0)
    b = getattr(transformers, model)(getattr(transformers, config)(**options)).eval()
    b, a = redrawn(b), redrawn(b, 2)
    words = torch.randint(2, 40, (3, 9))
    given = {"input_ids": words, **({"decoder_input_ids": words[:, :4]} if name == "t5" else {})}
    found = fastscape.align(b, (given, words), to=a, restarts=1, progress=False)
    assert not found.not_understood
    assert WANTED[name] <= set(found.permutations), found.permutations.keys()
    assert found.distance_after < found.distance_before
    with torch.no_grad():
        before, after = (copy.deepcopy(m).double()(**given).logits for m in (b, found.model))
    assert torch.allclose(before, after, rtol=0, atol=1e-4 * float(before.abs().max()))  # some compute in float32
    back = fastscape.align(found.model, (given, words), to=b, progress=False)
    assert back.distance_after == 0
