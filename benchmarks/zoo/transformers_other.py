"""Models of transformers for images, sound, several kinds of data at once, and series, made tiny by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from benchmarks.zoo import transformers_text as text
from benchmarks.zoo.network import Network
from benchmarks.zoo.transformers_text import CLASSES, LENGTH, WIDE, Row, ids, with_insides

SIDE = 32
LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
          "hidden_dropout_prob": 0.1}  # fmt: skip
VIT = LAYERS | {"image_size": SIDE, "patch_size": 8}
LABELS = {"num_labels": CLASSES}
SPEECH = LAYERS | {
    "vocab_size": 12, "conv_dim": (16, 16), "conv_stride": (5, 4), "conv_kernel": (10, 8),
    "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
    "mask_time_length": 2, "mask_time_prob": 0.3, "ctc_loss_reduction": "mean",
}  # fmt: skip

RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1],
          "layer_type": "basic", "out_features": ["stage4"]}  # fmt: skip


def images(samples: int) -> Tensor:
    """Noise for images."""
    return torch.randn(samples, 3, SIDE, SIDE)


def classified(samples: int) -> dict[str, Tensor]:
    """Images with a class each."""
    return {"pixel_values": images(samples), "labels": torch.randint(CLASSES, (samples,))}


def segmented(samples: int) -> dict[str, Tensor]:
    """Images with a class for each pixel, some of them unknown."""
    labels = torch.randint(CLASSES, (samples, SIDE, SIDE))
    labels[:, :4] = 255
    return {"pixel_values": images(samples), "labels": labels}


def pictured(samples: int) -> dict[str, Tensor]:
    """Images alone."""
    return {"pixel_values": images(samples)}


def filmed(samples: int) -> dict[str, Tensor]:
    """Films of four images, of which half of the tubes are hidden."""
    hidden = torch.zeros(samples, 2 * 16, dtype=torch.bool)
    hidden[:, ::2] = True
    return {"pixel_values": torch.randn(samples, 4, 3, SIDE, SIDE), "bool_masked_pos": hidden}


def boxed(samples: int) -> dict[str, Any]:
    """Images with a different number of things in each, and where they are."""
    things = [0.2 + 0.3 * torch.rand(int(torch.randint(1, 4, ())), 4) for _ in range(samples)]
    return {"pixel_values": images(samples), "boxes": things}


def matched(call: Callable[..., Any], batch: Any) -> Tensor:
    """How far the boxes are from those of the things, each of which gets one of its own; the model's own loss is
    computed in float32, which does not mix with double precision."""
    found = call(pixel_values=batch["pixel_values"])
    losses = []
    for boxes, wanted in zip(found.pred_boxes, batch["boxes"], strict=True):
        distances = torch.cdist(boxes, wanted, p=1)
        losses.append(distances[linear_sum_assignment(distances.detach().numpy())].mean())
    return torch.stack(losses).mean() + found.logits.square().mean()


def spoken(samples: int) -> dict[str, Tensor]:
    """Sound, with the letters in it."""
    return {"input_values": torch.randn(samples, 800), "labels": torch.randint(1, 12, (samples, 5))}


def written_down(samples: int) -> dict[str, Tensor]:
    """A spectrogram, with the words in it."""
    return {"input_features": torch.randn(samples, 16, 40), "labels": ids(samples, 7)}


def heard(samples: int) -> dict[str, Tensor]:
    """A spectrogram with a class."""
    return {"input_values": torch.randn(samples, 32, 16), "labels": torch.randint(CLASSES, (samples,))}


def sounding(samples: int) -> dict[str, Tensor]:
    """Sound alone."""
    return {"input_values": torch.randn(samples, 1, 640)}


def paired(samples: int) -> dict[str, Any]:
    """Images and their captions."""
    return {"input_ids": ids(samples), "pixel_values": images(samples), "return_loss": True}


def asked(samples: int) -> dict[str, Tensor]:
    """Questions on images, whose answers are classes."""
    return {"input_ids": ids(samples), "pixel_values": images(samples), "labels": torch.rand(samples, CLASSES)}


def laid_out(samples: int) -> dict[str, Tensor]:
    """Pages: their words, where they stand, what the page looks like, and a class for each word."""
    corners = torch.randint(0, 400, (samples, LENGTH, 2))
    return text.tagged(samples) | {
        "bbox": torch.cat([corners, corners + torch.randint(0, 400, corners.shape)], -1),
        "pixel_values": images(samples),
    }


def shown(samples: int) -> dict[str, Tensor]:
    """An image in front of the words that are said of it: sixteen places of word 3."""
    words = torch.cat([torch.full((samples, 16), 3), ids(samples)], 1)
    return {"input_ids": words, "pixel_values": images(samples), "labels": words.masked_fill(words == 3, -100)}


def captioned(samples: int) -> dict[str, Tensor]:
    """Images with captions to be written."""
    return {"pixel_values": images(samples), "labels": ids(samples, 7)}


def forecast(samples: int) -> dict[str, Tensor]:
    """A series with what is known of the times."""
    return {
        "past_values": torch.randn(samples, 15).abs(), "past_time_features": torch.randn(samples, 15, 1),
        "past_observed_mask": torch.ones(samples, 15), "future_values": torch.randn(samples, 4).abs(),
        "future_time_features": torch.randn(samples, 4, 1),
    }  # fmt: skip


def foreseen(samples: int) -> dict[str, Tensor]:
    """Two series side by side, and what follows."""
    return {"past_values": torch.randn(samples, 32, 2), "future_values": torch.randn(samples, 8, 2)}


def played(samples: int) -> dict[str, Tensor]:
    """What an agent saw, did and got."""
    return {
        "states": torch.randn(samples, 6, 3), "actions": torch.randn(samples, 6, 2),
        "rewards": torch.randn(samples, 6, 1), "returns_to_go": torch.randn(samples, 6, 1),
        "timesteps": torch.arange(6).repeat(samples, 1), "attention_mask": torch.ones(samples, 6),
    }  # fmt: skip


def acted(call: Callable[..., Any], batch: Any) -> Tensor:
    """How far the actions are from those that were taken."""
    return (call(**batch).action_preds - batch["actions"]).square().mean()


def restored(call: Callable[..., Any], batch: Any) -> Tensor:
    """How far the sound that comes out is from what went in."""
    return (call(**batch).audio_values - batch["input_values"]).square().mean()


DECODER = {
    "vocab_size": text.WORDS, "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4, "decoder_ffn_dim": 48,
    "max_position_embeddings": 64, "cross_attention_hidden_size": 32,
}  # fmt: skip
TEXT_PART = WIDE | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "projection_dim": 16}
TWO_TOWERS = {"text_config": TEXT_PART, "vision_config": VIT | {"projection_dim": 16}, "projection_dim": 16}

ROWS = [
    Row("vit", "classes of images, hidden states and attention", "ViTForImageClassification",
        VIT | LABELS | {"attn_implementation": "eager"}, classified, with_insides),
    Row("swinv2", "classes of images", "Swinv2ForImageClassification",
        {"image_size": SIDE, "patch_size": 4, "embed_dim": 16, "depths": [2, 1], "num_heads": [2, 4], "window_size": 4}
        | LABELS, classified),
    Row("regnet", "classes of images", "RegNetForImageClassification",
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "groups_width": 4} | LABELS, classified),
    Row("segformer", "classes of pixels", "SegformerForSemanticSegmentation",
        {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 3, 4],
         "decoder_hidden_size": 16} | LABELS, segmented),
    Row("detr", "boxes, matched by an assignment", "DetrForObjectDetection",
        {"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 4, "num_queries": 5,
         "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "use_timm_backbone": False,
         "backbone_config": RESNET} | LABELS, boxed, matched),
    Row("vit_mae", "hidden patches, drawn at random", "ViTMAEForPreTraining",
        VIT | {"decoder_hidden_size": 24, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
               "decoder_intermediate_size": 32}, pictured),
    Row("videomae", "hidden parts of films", "VideoMAEForPreTraining",
        VIT | {"num_frames": 4, "tubelet_size": 2, "decoder_hidden_size": 24, "decoder_num_hidden_layers": 1,
               "decoder_num_attention_heads": 2, "decoder_intermediate_size": 32}, filmed),
    Row("wav2vec2", "speech, alignments unknown", "Wav2Vec2ForCTC", SPEECH | {"layerdrop": 0.3}, spoken),
    Row("whisper", "speech to text", "WhisperForConditionalGeneration",
        {k: v for k, v in text.SEQ2SEQ.items() if k != "max_position_embeddings"}
        | {"num_mel_bins": 16, "max_source_positions": 20, "max_target_positions": 20, "pad_token_id": 0,
           "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1, "dropout": 0.1}, written_down),
    Row("ast", "classes of sounds", "ASTForAudioClassification",
        LAYERS | LABELS | {"num_mel_bins": 16, "max_length": 32, "patch_size": 8, "frequency_stride": 8,
                           "time_stride": 8}, heard, None, "ASTConfig"),
    Row("encodec", "sound, through a code book", "EncodecModel",
        {"num_filters": 4, "hidden_size": 8, "codebook_dim": 8, "codebook_size": 16, "upsampling_ratios": [4, 2],
         "num_lstm_layers": 1, "target_bandwidths": [1.5, 24.0]}, sounding, restored, "EncodecConfig"),
    Row("clip", "images and captions", "CLIPModel", TWO_TOWERS, paired, None, "CLIPConfig"),
    Row("vilt", "questions on images", "ViltForQuestionAnswering",
        WIDE | VIT | LABELS | {"max_image_length": -1}, asked),
    Row("layoutlmv3", "words of pages", "LayoutLMv3ForTokenClassification",
        WIDE | {"input_size": SIDE, "patch_size": 8, "max_2d_position_embeddings": 1024, "coordinate_size": 6,
                "shape_size": 4, "pad_token_id": 1} | LABELS, laid_out),
    Row("llava", "words on images", "LlavaForConditionalGeneration",
        {"text_config": {"model_type": "llama"} | text.SHARED,
         "vision_config": {"model_type": "clip_vision_model"} | VIT,
         "image_token_id": 3}, shown),
    Row("trocr", "captions of images", "VisionEncoderDecoderModel",
        {"encoder": {"model_type": "vit"} | VIT, "decoder": {"model_type": "trocr"} | DECODER,
         "decoder_start_token_id": 1, "pad_token_id": 0}, captioned, None, "VisionEncoderDecoderConfig"),
    Row("time_series_transformer", "distributions of series", "TimeSeriesTransformerForPrediction",
        {"prediction_length": 4, "context_length": 8, "lags_sequence": [1, 2, 7], "num_time_features": 1,
         "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16},
        forecast),
]  # fmt: skip


def networks() -> list[Network]:
    """All rows as networks."""
    return text.networks(ROWS)
