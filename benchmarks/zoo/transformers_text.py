"""Language models of transformers, made tiny by hand, and what their users measure."""

from __future__ import annotations

import copy
import importlib
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Network, Objective

WORDS, LENGTH, CLASSES = 60, 12, 4
IGNORED = -100
TINY = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = TINY | {"intermediate_size": 48, "max_position_embeddings": 64}
SHARED = WIDE | {"num_key_value_heads": 2, "head_dim": 8, "attention_dropout": 0.1}
SEQ2SEQ = {
    "vocab_size": WORDS, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64,
}  # fmt: skip
T5 = {"vocab_size": WORDS, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4,
      "decoder_start_token_id": 0}  # fmt: skip
LOOPED = {"experts_implementation": "eager"}  # the other implementations have no double precision
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2} | LOOPED

Batch = Callable[[int], dict[str, Tensor]]


class Row(NamedTuple):
    """One network.

    Args:
        name: What it is called.
        task: What it does.
        model: Name of its class.
        options: Of its config, whose class has the name `config`.
        batch: Makes a batch of some samples.
        objective: What its user measures. Default: the loss that the model returns.
        config: Default: the beginning of `model`, with "Config".
    """

    name: str
    task: str
    model: str
    options: dict[str, Any]
    batch: Batch
    objective: Objective | None = None
    config: str = ""


def ids(samples: int, length: int = LENGTH) -> Tensor:
    """Words that are no special ones."""
    return torch.randint(5, WORDS, (samples, length))


def masks(samples: int, length: int = LENGTH) -> Tensor:
    """One for words, zero for padding, which is behind them and of another length in every sample."""
    return (torch.arange(length) < torch.randint(length // 2, length + 1, (samples, 1))).long()


def causal(samples: int) -> dict[str, Tensor]:
    """Sentences of one length, whose next words are predicted."""
    words = ids(samples)
    return {"input_ids": words, "labels": words.clone()}


def padded(samples: int) -> dict[str, Tensor]:
    """Sentences of several lengths: the mean over the words of a batch is no mean over samples."""
    words, mask = ids(samples), masks(samples)
    return {"input_ids": words, "attention_mask": mask, "labels": words.masked_fill(mask == 0, IGNORED)}


def masked(samples: int, length: int = LENGTH) -> dict[str, Tensor]:
    """Sentences in which a quarter of the words is to be guessed."""
    words = ids(samples, length)
    hidden = (torch.arange(length) + torch.randint(4, (samples, 1))) % 4 == 0
    labels = words.masked_fill(~hidden, IGNORED)
    return {"input_ids": words.masked_fill(hidden, 4), "attention_mask": torch.ones_like(words), "labels": labels}


def classified(samples: int) -> dict[str, Tensor]:
    """Sentences of several lengths with a class each."""
    labels = torch.randint(CLASSES, (samples,))
    return {"input_ids": ids(samples, 16), "attention_mask": masks(samples, 16), "labels": labels}


def tagged(samples: int) -> dict[str, Tensor]:
    """Sentences with a class for each word."""
    return {"input_ids": ids(samples), "labels": torch.randint(CLASSES, (samples, LENGTH))}


def translated(samples: int) -> dict[str, Tensor]:
    """Sentences of several lengths with others to be written."""
    return {"input_ids": ids(samples), "attention_mask": masks(samples), "labels": ids(samples, 7)}


def answered(samples: int) -> dict[str, Tensor]:
    """Texts with the places where an answer begins and ends."""
    return {
        "input_ids": ids(samples),
        "start_positions": torch.randint(LENGTH, (samples,)),
        "end_positions": torch.randint(LENGTH, (samples,)),
    }


def loss(call: Callable[..., Any], batch: Any) -> Tensor:
    """The loss that a model returns."""
    return call(**batch).loss


def with_insides(call: Callable[..., Any], batch: Any) -> Tensor:
    """The loss, with the sizes of hidden states and the spread of attention."""
    found = call(**batch, output_hidden_states=True, output_attentions=True)
    hidden = torch.stack([state.square().mean() for state in found.hidden_states]).sum()
    return found.loss + 0.01 * hidden + torch.stack([a.square().mean() for a in found.attentions]).sum()


def with_routers(call: Callable[..., Any], batch: Any) -> Tensor:
    """The loss, which has that of the balance among experts in it, and the sharpness of the routers."""
    found = call(**batch, output_router_logits=True)
    return found.loss + 0.01 * torch.stack([r.logsumexp(-1).square().mean() for r in found.router_logits]).sum()


ROWS = [
    Row("gpt2", "causal, padded", "GPT2LMHeadModel",
        {"vocab_size": WORDS, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, padded),
    Row("llama", "causal, hidden states and attention", "LlamaForCausalLM",
        SHARED | {"attn_implementation": "eager"}, causal, with_insides),
    Row("gemma3", "causal, sliding windows", "Gemma3ForCausalLM",
        SHARED | {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}, padded, None,
        "Gemma3TextConfig"),
    Row("mixtral", "causal, experts and router logits", "MixtralForCausalLM", SHARED | EXPERTS, causal, with_routers),
    Row("deepseek_v3", "causal, latent attention and experts", "DeepseekV3ForCausalLM",
        WIDE | {"moe_intermediate_size": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 2,
                "topk_group": 1, "first_k_dense_replace": 1, "kv_lora_rank": 8, "q_lora_rank": 8, "v_head_dim": 8,
                "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "num_key_value_heads": 4} | LOOPED, causal),
    Row("gpt_oss", "causal, experts and sinks", "GptOssForCausalLM", SHARED | EXPERTS | {"sliding_window": 4}, causal),
    Row("bloom", "causal, distances as biases", "BloomForCausalLM",
        {"hidden_dropout": 0.1, "attention_dropout": 0.1, "vocab_size": WORDS,
         "hidden_size": 32, "n_layer": 2, "n_head": 4}, padded),
    Row("opt", "causal, layers dropped", "OPTForCausalLM",
        WIDE | {"ffn_dim": 48, "word_embed_proj_dim": 16, "layerdrop": 0.3}, causal),
    Row("mamba", "causal, state space", "MambaForCausalLM", TINY | {"state_size": 4, "time_step_rank": 4}, causal),
    Row("jamba", "causal, state space, attention and experts", "JambaForCausalLM",
        SHARED | {"num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2,
                  "expert_layer_offset": 1, "num_experts": 4, "mamba_d_state": 4, "mamba_dt_rank": 4,
                  "num_experts_per_tok": 2} | LOOPED, causal, with_routers),
    Row("xlnet", "causal, two streams", "XLNetLMHeadModel",
        {"vocab_size": WORDS, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}, causal),
    Row("bert", "masked", "BertForMaskedLM", WIDE, masked),
    Row("albert", "masked, one layer many times", "AlbertForMaskedLM",
        WIDE | {"embedding_size": 16, "hidden_dropout_prob": 0.1}, masked),
    Row("distilbert", "question answering", "DistilBertForQuestionAnswering",
        {"vocab_size": WORDS, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}, answered),
    Row("deberta_v2", "tags", "DebertaV2ForTokenClassification",
        WIDE | {"num_labels": CLASSES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"],
                "conv_kernel_size": 3, "position_buckets": 8}, tagged),
    Row("longformer", "masked, windows", "LongformerForMaskedLM", WIDE | {"attention_window": 4}, masked),
    Row("big_bird", "masked, random blocks", "BigBirdForMaskedLM",
        WIDE | {"block_size": 4, "num_random_blocks": 1}, partial(masked, length=32)),
    Row("reformer", "classes, hashed attention", "ReformerForSequenceClassification",
        {"vocab_size": WORDS, "hidden_size": 32, "num_attention_heads": 2, "attention_head_size": 8,
         "feed_forward_size": 48, "attn_layers": ["local", "lsh"], "axial_pos_shape": (4, 4),
         "axial_pos_embds_dim": (16, 16), "num_hashes": 2, "local_attn_chunk_length": 4, "lsh_attn_chunk_length": 4,
         "num_buckets": 2, "max_position_embeddings": 16,
         "num_labels": CLASSES, "is_decoder": False, "pad_token_id": 0, "hash_seed": 5, "hidden_dropout_prob": 0.0,
         "local_attention_probs_dropout_prob": 0.0}, classified),
    Row("t5", "sequence to sequence", "T5ForConditionalGeneration", T5, translated),
    Row("bart", "sequence to sequence, whole layers dropped", "BartForConditionalGeneration",
        SEQ2SEQ | {"encoder_layerdrop": 0.3, "decoder_layerdrop": 0.3, "dropout": 0.0}, translated),
    Row("led", "sequence to sequence, windows", "LEDForConditionalGeneration",
        {k: v for k, v in SEQ2SEQ.items() if k != "max_position_embeddings"}
        | {"attention_window": 4, "max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 64},
        translated),
    Row("switch_transformers", "sequence to sequence, experts", "SwitchTransformersForConditionalGeneration",
        T5 | {"num_experts": 4, "expert_capacity": 8, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1,
              "router_jitter_noise": 0.1, "num_decoder_layers": 2}, translated),
]  # fmt: skip


def networks(rows: list[Row] | None = None) -> list[Network]:
    """All rows as networks."""
    return [
        Network(row.name, "transformers", row.task, partial(built, row), row.batch, row.objective or loss)
        for row in (ROWS if rows is None else rows)
    ]


def built(row: Row) -> nn.Module:
    """The model of a row, with random weights."""
    package = importlib.import_module("transformers")
    name = row.config or re.split("For[A-Z]|LMHead", row.model)[0] + "Config"
    return getattr(package, row.model)(getattr(package, name)(**copy.deepcopy(row.options)))
