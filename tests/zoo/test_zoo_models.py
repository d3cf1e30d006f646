"""The networks: their layers against the texts that they come from, their sizes, and vmap over stacked weights."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from fastscape.zoo import models

SMALL = ("mnist-cnn", "mlp", "resnet8", "resnet8-noshort")

# name, in_channels, image_size, classes: even, odd, smallest, colour
SHAPES = [
    ("vgg13", 1, 16, 10),
    ("mnist-cnn", 1, 28, 10),
    ("mnist-cnn", 2, 7, 1),
    ("mlp", 1, 1, 3),
    ("mlp", 3, 9, 10),
    ("resnet8", 1, 28, 10),
    ("resnet14", 3, 33, 7),
    ("resnet8-noshort", 1, 1, 2),
]


@pytest.mark.parametrize(("name", "in_channels", "image_size", "classes"), SHAPES)
def test_logits_have_one_column_for_each_class(name: str, in_channels: int, image_size: int, classes: int) -> None:
    network = models.build(name, in_channels=in_channels, image_size=image_size, classes=classes).eval()
    assert network(torch.rand(2, in_channels, image_size, image_size)).shape == (2, classes)
    assert (network.in_channels, network.image_size, network.classes) == (in_channels, image_size, classes)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_listed_name_builds(name: str) -> None:
    with torch.device("meta"):
        assert models.build(name)(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_a_seed_decides_the_weights_and_leaves_the_global_state() -> None:
    before = torch.get_rng_state()
    first, again, other = (models.build("mlp", seed=seed).layers[1].weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", models.MODELS)
def test_no_relu_writes_into_its_input(name: str) -> None:
    with torch.device("meta"):
        network = models.build(name)
    assert not [module for module in network.modules() if getattr(module, "inplace", False)]


def test_vgg13_has_the_layers_of_the_text_in_its_order() -> None:
    with torch.device("meta"):
        network = models.VGG13()
    layers = [*network.features, *network.classifier]

    def convolution(channels: int, width: int) -> list[str]:
        return [f"Conv2d {channels} {width} (3, 3) (1, 1)", "ReLU", f"BatchNorm2d {width}"]

    assert [_name(layer) for layer in layers] == [
        *convolution(1, 64), *convolution(64, 64), "MaxPool2d 2",
        *convolution(64, 128), *convolution(128, 128), "MaxPool2d 2",
        *convolution(128, 256), *convolution(256, 256), *convolution(256, 256), "MaxPool2d 2",
        *convolution(256, 512), *convolution(512, 512), *convolution(512, 512), "MaxPool2d 2",
        "Flatten", "Linear 512 4096", "ReLU", "Linear 4096 4096", "ReLU", "Dropout 0.5", "Linear 4096 10",
    ]  # fmt: skip
    assert sum(parameter.numel() for parameter in network.parameters()) == 26_563_018


def test_mnist_cnn_has_the_layers_of_the_notebook() -> None:
    assert [_name(layer) for layer in models.MnistCNN().layers] == [
        "Conv2d 1 16 (2, 2) (0, 0)",
        "ReLU",
        "MaxPool2d 2",
        "Conv2d 16 8 (2, 2) (0, 0)",
        "ReLU",
        "MaxPool2d 2",
        "Flatten",
        "Linear 288 10",
    ]


def test_mlp_has_two_hidden_layers_of_128() -> None:
    assert [_name(layer) for layer in models.MLP().layers] == [
        "Flatten", "Linear 784 128", "ReLU", "Linear 128 128", "ReLU", "Linear 128 10",
    ]  # fmt: skip


@pytest.mark.parametrize("depth", [8, 20, 32, 56, 110])
def test_resnet_has_as_many_layers_as_its_depth(depth: int) -> None:
    with torch.device("meta"):
        network = models.ResNet(depth)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) + 1 == depth
    widths = [convolution.out_channels for convolution in convolutions[1:]]
    assert widths == [width for width in (16, 32, 64) for _ in range((depth - 2) // 3)]
    assert sum(convolution.stride == (2, 2) for convolution in convolutions) == 2


def test_resnet20_has_the_parameters_of_the_paper() -> None:
    # Table 6: 0.27 million for colour images.
    assert round(sum(p.numel() for p in models.ResNet(20, in_channels=3).parameters()) / 1e6, 2) == 0.27


def test_resnet_without_shortcuts_has_the_same_parameters_and_other_outputs() -> None:
    with_shortcuts, without = models.build("resnet8").eval(), models.build("resnet8-noshort").eval()
    shapes = {name: tensor.shape for name, tensor in with_shortcuts.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in without.state_dict().items()}
    without.load_state_dict(with_shortcuts.state_dict())
    images = torch.rand(2, 1, 28, 28)
    assert not torch.allclose(with_shortcuts(images), without(images), atol=1e-3)


def test_shortcut_is_the_identity_with_every_second_pixel_and_zero_channels() -> None:
    # With all convolutions zero (and fresh, centred statistics) a block is the relu of its shortcut.
    for channels, width, step in ((4, 4, 1), (4, 8, 2)):
        block = models._Block(channels, width, shortcuts=True).eval()
        nn.init.zeros_(block.conv2.weight)
        x = torch.rand(2, channels, 7, 7)
        y = block(x)
        assert torch.equal(y[:, :channels], x[:, :, ::step, ::step])
        assert y.shape[1] == width
        assert not y[:, channels:].any()


@pytest.mark.parametrize("name", SMALL)
def test_vmap_over_stacked_weights_equals_a_loop(name: str) -> None:
    torch.manual_seed(0)
    networks = [models.build(name, image_size=12, classes=4).eval() for _ in range(2)]
    images = torch.rand(3, 1, 12, 12)
    before = images.clone()
    stacked = stack_module_state(networks)

    def logits(parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(networks[0], (parameters, buffers), (images,))

    together = vmap(logits)(*stacked)
    assert torch.equal(images, before)
    torch.testing.assert_close(together, torch.stack([network(images) for network in networks]))
    assert not torch.allclose(together[0], together[1])


@pytest.mark.parametrize("name", ["vgg", "resnet", "resnet-noshort", "resnet020", "ResNet20", "resnet20-short", ""])
def test_unknown_name_lists_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=r"no network is called .*vgg13, mnist-cnn, mlp, resnet20.*'resnet32'"):
        models.build(name)


@pytest.mark.parametrize("depth", [2, 7, 21, 0, -4])
def test_resnet_refuses_other_depths(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"depth must be 6n\+2 .*, got {depth}; for example depth=20"):
        models.ResNet(depth)


def test_build_refuses_other_depths() -> None:
    with pytest.raises(
        ValueError, match=r"depth must be 6n\+2 with n >= 1 in a ResNet for small images, got 21; for example"
    ):
        models.build("resnet21-noshort")


@pytest.mark.parametrize(("name", "smallest"), [("vgg13", 16), ("mnist-cnn", 7), ("mlp", 1), ("resnet8", 1)])
def test_too_small_images_are_refused(name: str, smallest: int) -> None:
    with pytest.raises(ValueError, match=rf"image_size must be at least {smallest} in .*, got {smallest - 1}"):
        models.build(name, image_size=smallest - 1)


@pytest.mark.parametrize("name", ["vgg13", "mnist-cnn", "mlp", "resnet8"])
@pytest.mark.parametrize("sizes", [{"in_channels": 0}, {"classes": 0}])
def test_no_channels_and_no_classes_are_refused(name: str, sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="in_channels and classes must be at least 1 in"):
        models.build(name, **sizes)


def _name(layer: nn.Module) -> str:
    """Name a layer with what matters of it."""
    match layer:
        case nn.Conv2d():
            facts = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.padding)
        case nn.BatchNorm2d():
            facts = (layer.num_features,)
        case nn.Linear():
            facts = (layer.in_features, layer.out_features)
        case nn.MaxPool2d():
            facts = (layer.kernel_size,)
        case nn.Dropout():
            facts = (layer.p,)
        case _:
            facts = ()
    return " ".join([type(layer).__name__, *map(str, facts)])
