"""Further models of transformers, which stand in for those that an installed version does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.zoo import transformers_other as other
from benchmarks.zoo import transformers_text as text
from benchmarks.zoo.network import Network
from benchmarks.zoo.transformers_text import CLASSES, LENGTH, SHARED, TINY, WIDE, WORDS, Row

LABELS = {"num_labels": CLASSES}


def replaced(samples: int) -> dict[str, Tensor]:
    """Sentences of which some words were replaced, which are to be found."""
    return {"input_ids": text.ids(samples), "labels": torch.randint(2, (samples, LENGTH))}


def looked_at(samples: int) -> dict[str, Tensor]:
    """Words around the patches of images, with where each patch lies."""
    start, stop = torch.full((samples, 1), 4), torch.full((samples, 1), 5)
    words = torch.cat([start, torch.full((samples, 4), 3), stop, 6 + text.ids(samples, 6) % 50], 1)
    return {
        "input_ids": words, "labels": words.clone(), "pixel_values": torch.randn(samples, 16, 3 * 2 * 4 * 4),
        "image_grid_thw": torch.tensor([[1, 4, 4]]).repeat(samples, 1), "mm_token_type_ids": (words == 3).long(),
    }  # fmt: skip


def looked(call: Callable[..., Any], batch: Any) -> Tensor:
    """The loss of a model that takes the patches of all images one behind the other."""
    return call(**batch | {"pixel_values": batch["pixel_values"].flatten(0, 1)}).loss


ROWS = [
    Row("patchtst", "series in patches", "PatchTSTForPrediction",
        {"num_input_channels": 2, "context_length": 32, "patch_length": 8, "patch_stride": 8, "prediction_length": 8,
         "d_model": 16, "num_attention_heads": 2, "ffn_dim": 16, "num_hidden_layers": 2, "ff_dropout": 0.1},
        other.foreseen),
    Row("qwen2_vl", "words on images, places in three dimensions", "Qwen2VLForConditionalGeneration",
        {"text_config": SHARED | {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4,
                                                      "mrope_section": [1, 1, 2]}},
         "vision_config": {"depth": 1, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "patch_size": 4,
                           "spatial_merge_size": 2, "temporal_patch_size": 2, "mlp_ratio": 2},
         "image_token_id": 3, "vision_start_token_id": 4, "vision_end_token_id": 5, "video_token_id": 2},
        looked_at, looked, "Qwen2VLConfig"),
    Row("decision_transformer", "actions", "DecisionTransformerModel",
        {"state_dim": 3, "act_dim": 2, "hidden_size": 32, "max_ep_len": 8, "n_layer": 2, "n_head": 4,
         "n_positions": 32, "vocab_size": 1}, other.played, other.acted, "DecisionTransformerConfig"),
    Row("recurrent_gemma", "causal, recurrent", "RecurrentGemmaForCausalLM",
        TINY | {"intermediate_size": 48, "num_key_value_heads": 2, "head_dim": 8, "lru_width": 32,
                "attention_window_size": 8, "num_hidden_layers": 3}, text.causal),
    Row("rwkv", "causal, recurrent", "RwkvForCausalLM",
        {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2, "context_length": 64}, text.causal),
    Row("funnel", "masked, sentences that shrink", "FunnelForMaskedLM",
        {"vocab_size": WORDS, "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 48, "block_sizes": [1, 1]},
        text.masked),
    Row("fnet", "masked, Fourier transforms", "FNetForMaskedLM", WIDE, text.masked),
    Row("electra", "replaced words", "ElectraForPreTraining", WIDE | {"embedding_size": 16}, replaced),
    Row("modernbert", "masked, sliding windows", "ModernBertForMaskedLM",
        WIDE | {"local_attention": 4, "global_attn_every_n_layers": 2, "mlp_dropout": 0.1}
        | {f"{name}_token_id": 0 for name in ("pad", "bos", "eos", "cls", "sep")}, text.masked),
    Row("dinov2", "classes of images", "Dinov2ForImageClassification", other.VIT | LABELS, other.classified),
    Row("beit", "classes of images", "BeitForImageClassification",
        other.VIT | LABELS | {"use_relative_position_bias": True}, other.classified),
    Row("mobilenet_v2", "classes of images", "MobileNetV2ForImageClassification",
        {"image_size": 32, "depth_multiplier": 0.25, "depth_divisible_by": 4, "min_depth": 4} | LABELS,
        other.classified),
    Row("wavlm", "speech, alignments unknown", "WavLMForCTC", other.SPEECH, other.spoken),
    Row("siglip", "images and captions", "SiglipModel", other.TWO_TOWERS, other.paired, None, "SiglipConfig"),
]  # fmt: skip


def networks() -> list[Network]:
    """All rows as networks."""
    return text.networks(ROWS)
