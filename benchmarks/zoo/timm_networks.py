"""Networks of timm, one of every family that differs from the others, as small as its constructor makes it.

A row is the name of a model, or the place of a class where the model itself is large, the side of its images, and what
its constructor gets. SPARE rows stand in for models that an installed version does not have.
"""

from __future__ import annotations

import copy
import importlib
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Network

CLASSES = 10


class Part(NamedTuple):
    """A class of timm that a constructor is to be given."""

    module: str
    name: str

    def found(self) -> Any:
        """The class itself, which is imported when it is needed."""
        return getattr(importlib.import_module(f"timm.models.{self.module}"), self.name)


DROPS: tuple[dict[str, float], ...] = ({"drop_rate": 0.1, "drop_path_rate": 0.1}, {"drop_rate": 0.1}, {})
"""Dropout and drop paths, as far as a constructor takes them: in training mode most models would draw nothing else."""

VIT = {"depth": 2, "embed_dim": 48, "num_heads": 3}
STAGES = {"depths": (2, 1, 1, 1), "embed_dim": 24, "num_heads": (1, 2, 4, 8)}
ONE_EACH = {"layers": (1, 1, 1, 1), "channels": (16, 32, 48, 64)}
DENSE = {"block_config": (2, 2, 2, 2), "growth_rate": 12}

Row = tuple[str, int, dict[str, Any]]

CONVOLUTIONAL: list[Row] = [
    ("resnet10t", 32, {}),
    ("resnext50_32x4d", 32, ONE_EACH),
    ("seresnet50", 32, ONE_EACH),
    ("res2net50_14w_8s", 32, ONE_EACH),
    ("resnest14d", 32, {"channels": (16, 32, 48, 64)}),
    ("skresnet18", 32, ONE_EACH),
    ("resnetv2_50d_evos", 32, {"layers": (1, 1, 1, 1)}),
    ("densenet121", 32, DENSE),
    ("rdnet.RDNet", 32, {"growth_rates": (16, 16), "num_blocks_list": (1, 1), "block_type": ("Block", "BlockESE"),
                         "is_downsample_block": (None, True), "num_init_features": 32}),
    ("test_efficientnet", 32, {}),
    ("efficientnet_b0_g16_evos", 32, {}),
    ("mobilenetv2_035", 32, {}),
    ("mobilenetv3_small_050", 32, {}),
    ("mobilenetv4_conv_small_035", 32, {}),
    ("regnety_002", 32, {}),
    ("test_nfnet", 32, {}),
    ("convnext_zepto_rms", 32, {}),
    ("convnextv2_atto", 32, {"depths": (1, 1, 1, 1), "dims": (16, 24, 32, 48)}),
    ("inception_next_atto", 32, {"depths": (1, 1, 1, 1)}),
    ("rexnet_100", 32, {"width_mult": 0.5}),
    ("dla46_c", 32, {}),
    ("hrnet_w18_small", 32, {}),
    ("dpn48b", 32, {"k_sec": (1, 1, 1, 1)}),
    ("inception_v3", 75, {}),
    ("xception41", 32, {"block_cfg": [
        {"in_chs": 64, "out_chs": 32, "stride": 2},
        {"in_chs": 32, "out_chs": 48, "stride": 2},
        {"in_chs": 48, "out_chs": 64, "stride": 1, "no_skip": True},
    ]}),
    ("nasnetalarge", 32, {"num_features": 384, "stem_size": 16}),
    ("selecsls.SelecSls", 32, {"cfg": {
        "block": Part("selecsls", "SelecSlsBlock"), "features": [(32, 0, 16, 24, True, 2), (24, 24, 16, 32, False, 1)],
        "head": [(32, 48, 3, 2), (48, 64, 1, 1)], "num_features": 64, "feature_info": [],
    }}),
    ("ghostnet_050", 32, {}),
    ("tresnet_m", 32, {"layers": (1, 1, 1, 1), "width_factor": 0.25}),
    ("vgg.VGG", 32, {"cfg": [16, "M", 24, "M", 32, "M", 32, "M", 32, "M"], "mlp_ratio": 0.02}),
    ("ese_vovnet19b_slim", 32, {}),
    ("cs3darknet_focus_s", 32, {}),
    ("repvgg_a0", 32, {}),
    ("repghostnet_050", 32, {}),
    ("test_mambaout", 32, {}),
]  # fmt: skip

ATTENTION: list[Row] = [
    ("test_vit", 32, {"img_size": 32}),
    ("deit_tiny_distilled_patch16_224", 32, {"img_size": 32, **VIT}),
    ("vit_base_patch14_reg4_dinov2", 28, {"img_size": 28, **VIT}),
    ("test_vit_relpos", 32, {"img_size": 32}),
    ("samvit_base_patch16_224", 32, {"img_size": 32, **VIT}),
    ("naflexvit_base_patch16_gap", 32, VIT),
    ("swin_tiny_patch4_window7_224", 32, {"img_size": 32, "window_size": 4, **STAGES}),
    ("swinv2_tiny_window8_256", 32, {"img_size": 32, "window_size": 4, **STAGES}),
    ("levit_128s", 64, {"img_size": 64}),
    ("tiny_vit_5m_224", 32, {"depths": (1, 1, 1, 1), "embed_dims": (16, 32, 48, 64), "num_heads": (1, 2, 3, 4)}),
    ("efficientformer_l1", 224, {"depths": (1, 1, 1, 2), "embed_dims": (8, 12, 16, 24)}),
    ("efficientformerv2_s0", 64, {"img_size": 64, "depths": (1, 1, 1, 1), "embed_dims": (16, 24, 32, 48)}),
    ("efficientvit_m0", 64, {}),
    ("test_maxvit", 32, {"img_size": 32}),
    ("test_coatnet", 32, {"img_size": 32}),
    ("coat_lite_tiny", 32, {"img_size": 32, "serial_depths": (1, 1, 1, 1)}),
    ("xcit_nano_12_p8_224", 32, {"img_size": 32, "depth": 2}),
    ("cait_xxs24_224", 32, {"img_size": 32, **VIT}),
    ("pvt_v2_b0", 32, {"depths": (1, 1, 1, 1)}),
    ("mlp_mixer.MlpMixer", 32, {"img_size": 32, "patch_size": 8, "num_blocks": 2, "embed_dim": 48}),
    ("gmlp_ti16_224", 32, {"img_size": 32}),
    ("mlp_mixer.MlpMixer (resmlp)", 32, {"img_size": 32, "patch_size": 8, "num_blocks": 2, "embed_dim": 48,
                                         "mlp_ratio": 4, "block_layer": Part("mlp_mixer", "ResBlock"),
                                         "norm_layer": Part("mlp_mixer", "Affine")}),
    ("edgenext_xx_small", 32, {}),
    ("mobilevit_xxs", 32, {}),
    ("mobilevitv2_050", 32, {}),
    ("metaformer.MetaFormer", 32, {"depths": (1, 1, 1, 1), "dims": (16, 24, 32, 48)}),
    ("davit_tiny", 32, {"depths": (1, 1, 1, 1), "embed_dims": (24, 48, 96, 192), "num_heads": (1, 2, 4, 8)}),
    ("focalnet.FocalNet", 32, {"embed_dim": 16, "depths": (1, 1, 1, 1)}),
    ("hiera_tiny_224", 32, {"img_size": 32, "embed_dim": 24, "stages": (1, 1, 2, 1)}),
    ("eva02_tiny_patch14_224", 28, {"img_size": 28, **VIT}),
    ("vit_small_patch16_rope_mixed_224", 32, {"img_size": 32, **VIT}),
    ("beit_base_patch16_224", 32, {"img_size": 32, **VIT}),
    ("volo.VOLO", 32, {"img_size": 32, "layers": [1, 1], "embed_dims": [24, 48], "num_heads": [1, 2],
                       "downsamples": (True, False), "outlook_attention": (True, False)}),
    ("visformer_tiny", 32, {"img_size": 32, "embed_dim": 48, "depth": (1, 1, 1)}),
    ("crossvit_9_240", 48, {"img_size": 48, "img_scale": (1.0, 1.0), "embed_dim": (32, 64)}),
    ("convit_tiny", 32, {"img_size": 32, "patch_size": 8, "embed_dim": 48, "num_heads": 4, "depth": 3,
                         "local_up_to_layer": 2}),
    ("twins_svt_small", 32, {"img_size": 32, "embed_dims": (16, 32, 48, 64), "depths": (2, 2, 2, 2),
                             "num_heads": (1, 2, 3, 4)}),
    ("nest.Nest", 32, {"img_size": 32, "embed_dims": (24, 48, 96), "num_heads": (1, 2, 4), "depths": (1, 1, 1)}),
    ("sequencer2d_s", 32, {"img_size": 32, "layers": (1, 1, 1, 1), "embed_dims": (32, 64, 64, 64),
                           "hidden_sizes": (8, 16, 16, 16)}),
    ("fastvit_t8", 32, {"layers": (1, 1, 1, 1)}),
    ("pit_ti_224", 32, {"img_size": 32}),
    ("tnt_s_patch16_224", 32, {"img_size": 32, "depth": 2}),
    ("gcvit.GlobalContextVit", 32, {"img_size": 32, "depths": (1, 1, 1, 1), "embed_dim": 16,
                                    "num_heads": (1, 2, 4, 8)}),
    ("swiftformer_xs", 32, {}),
    ("vit_small_patch16_dinov3", 32, VIT),
]  # fmt: skip

SPARE: list[Row] = [
    ("deit3_small_patch16_224", 32, {"img_size": 32, **VIT}),
    ("vit_base_patch16_siglip_224", 32, {"img_size": 32, **VIT}),
    ("swinv2_cr_tiny_ns_224", 32, {"img_size": 32, "window_size": 4, **STAGES}),
    ("efficientvit_b0", 32, {}),
    ("lambda_resnet26t", 32, {"img_size": 32}),
    ("qwen3_vit_88m", 32, VIT),
    ("vit_tiny_r_s16_p8_224", 32, {"img_size": 32, "depth": 2}),
    ("ecaresnet26t", 32, ONE_EACH),
    ("resnetblur50", 32, ONE_EACH),
    ("resnet50_gn", 32, ONE_EACH | {"channels": (32, 32, 64, 64)}),
    ("resnetv2_50d_frn", 32, ONE_EACH),
    ("densenetblur121d", 32, DENSE),
    ("mnasnet_small", 32, {}),
    ("lcnet_035", 32, {}),
    ("tinynet_e", 32, {}),
    ("regnetx_002", 32, {}),
    ("nf_regnet_b0", 32, {}),
    ("test_convnext", 32, {}),
    ("starnet_s1", 32, {}),
    ("fasternet_t0", 32, {}),
    ("convmixer.ConvMixer", 32, {"dim": 32, "depth": 2, "kernel_size": 5, "patch_size": 4}),
    ("hgnetv2_b0", 32, {}),
]

ROWS = [*ATTENTION, *CONVOLUTIONAL, *SPARE]


def networks() -> list[Network]:
    """All rows as networks."""
    return [
        Network(name, "timm", f"images of {side} x {side}", partial(_built, name, index), partial(_batch, side))
        for index, (name, side, _) in enumerate(ROWS)
    ]


def _batch(side: int, samples: int) -> tuple[Tensor, Tensor]:
    return torch.randn(samples, 3, side, side), torch.randint(CLASSES, (samples,))


def _built(name: str, index: int) -> nn.Module:
    return _make(name, index, DROPS[_drops(name, index)])


@cache
def _drops(name: str, index: int) -> int:
    """Which of the regularisations a constructor takes."""
    for number, drops in enumerate(DROPS[:-1]):
        try:
            _make(name, index, drops)
        except TypeError:
            continue
        return number
    return len(DROPS) - 1


def _make(name: str, index: int, drops: dict[str, float]) -> nn.Module:
    options = _filled(ROWS[index][2]) | {"num_classes": CLASSES} | drops
    module, _, class_name = name.partition(" ")[0].rpartition(".")
    if module:
        return Part(module, class_name).found()(**options)
    return importlib.import_module("timm").create_model(name, pretrained=False, **options)


def _filled(options: Any) -> Any:
    """A copy, as some constructors write to what they get, with the classes in the place of their names."""
    if isinstance(options, Part):
        return options.found()
    if isinstance(options, dict):
        return {key: _filled(value) for key, value in options.items()}
    return copy.deepcopy(options)
