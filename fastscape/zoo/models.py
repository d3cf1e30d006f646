"""Small image classifiers with interesting loss landscapes.

Every network maps images [N, C, H, H] to logits [N, classes]; its loss is
`torch.nn.functional.cross_entropy`. None has an in-place operation or a branch on data, so that
`torch.func.vmap` over stacked weights works in eval mode (in train mode batch normalisation updates its
statistics in place, which vmap refuses).

Each network keeps `in_channels`, `image_size` and `classes` as attributes, for its checkpoint.
"""

from __future__ import annotations

import re

import torch
from torch import nn
from torch.nn import functional as F

MODELS = (
    "vgg13",
    "mnist-cnn",
    "mlp",
    "resnet20",
    "resnet20-noshort",
    "resnet56",
    "resnet56-noshort",
    "resnet110",
    "resnet110-noshort",
)
"""Names for `build`. ResNets of any other depth 6n+2 are built too, as "resnet32" or "resnet32-noshort"."""


def build(
    name: str, *, in_channels: int = 1, image_size: int = 28, classes: int = 10, seed: int | None = None
) -> nn.Module:
    """Build a freshly initialised network by its name.

    Args:
        name: One of `MODELS`, or "resnet<depth>" or "resnet<depth>-noshort" with any depth 6n+2.
        in_channels: Channels of an image; 1 is grey, 3 is colour. Default 1.
        image_size: Height and width of an image, in pixels. Default 28.
        classes: Number of logits. Default 10.
        seed: Seed of the initial weights; the global random state is then not changed. Default: the weights are drawn
            from the global random state, as in torch.

    Returns:
        A network in train mode, [N, in_channels, image_size, image_size] -> [N, classes].

    Raises:
        ValueError: If no network has this name. The networks raise it too, for a size that they cannot take.

    Example:
        >>> network = build("mnist-cnn")
        >>> network(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 10])
    """
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return build(name, in_channels=in_channels, image_size=image_size, classes=classes)
    if name in _PLAIN:
        return _PLAIN[name](in_channels, image_size, classes)
    depth, shortcuts = _residual(name)
    _check_sizes("ResNet", in_channels, image_size, classes, smallest=1)
    network = ResNet(depth, shortcuts, in_channels, classes)
    network.image_size = image_size
    return network


def tensors_of(name: str) -> int:
    """The number of tensors of a network, parameters and buffers, without building it.

    Args:
        name: A name for `build`.

    Returns:
        The number of entries of its state dict.

    Raises:
        ValueError: If no network has this name.

    Example:
        >>> tensors_of("resnet20") == len(build("resnet20").state_dict())
        True
    """
    if name in _PLAIN:
        with torch.device("meta"):
            return len(_PLAIN[name]().state_dict())
    return 6 * (_residual(name)[0] - 1) + 2  # a convolution with its norm for each layer but the last, which is dense


def _residual(name: str) -> tuple[int, bool]:
    """The depth of a ResNet, and whether it has shortcuts."""
    found = re.fullmatch(r"resnet([1-9][0-9]{0,8})(-noshort)?", name)
    if found is None:
        raise ValueError(
            f"no network is called {name!r:.80}; choose one of {', '.join(MODELS)}, "
            "or a ResNet of another depth 6n+2, for example 'resnet32' or 'resnet32-noshort'"
        )
    return int(found[1]), found[2] is None


class VGG13(nn.Module):
    """The VGG-like network of Luciani, Huang & Danisch, "Efficient Neural Network Loss Landscape Generation".

    Ten 3x3 convolutions (64-64, 128-128, 256-256-256, 512-512-512) and three dense layers (4096, 4096, classes),
    dropout 0.5 before the last layer. As in the text, batch normalisation follows *after* the relu. The text's softmax
    is part of the loss here. 26,563,018 parameters for grey images of 28 pixels.

    Args:
        in_channels: Channels of an image. Default 1.
        image_size: Height and width of an image, in pixels, at least 16. Default 28.
        classes: Number of logits. Default 10.

    Raises:
        ValueError: If a size is too small.

    Example:
        >>> sum(parameter.numel() for parameter in VGG13().parameters())
        26563018
    """

    def __init__(self, in_channels: int = 1, image_size: int = 28, classes: int = 10) -> None:
        super().__init__()
        _check_sizes("VGG13", in_channels, image_size, classes, smallest=16)
        self.in_channels, self.image_size, self.classes = in_channels, image_size, classes
        layers: list[nn.Module] = []
        channels = in_channels
        for width, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3)):
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(width)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(512 * (image_size // 16) ** 2, 4096),
            nn.ReLU(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images [N, C, H, H] to logits [N, classes]."""
        return self.classifier(self.features(images))


class MnistCNN(nn.Module):
    """The network of the notebook "Navigating Through Loss Space": two 2x2 convolutions, one dense layer.

    The notebook's softmax is part of the loss here. 3,490 parameters for grey images of 28 pixels.

    Args:
        in_channels: Channels of an image. Default 1.
        image_size: Height and width of an image, in pixels, at least 7. Default 28.
        classes: Number of logits. Default 10.

    Raises:
        ValueError: If a size is too small.

    Example:
        >>> MnistCNN().layers[-1].in_features
        288
    """

    def __init__(self, in_channels: int = 1, image_size: int = 28, classes: int = 10) -> None:
        super().__init__()
        _check_sizes("MnistCNN", in_channels, image_size, classes, smallest=7)
        self.in_channels, self.image_size, self.classes = in_channels, image_size, classes
        # A 2x2 convolution without padding takes one pixel off, the pooling halves and rounds down; twice.
        side = ((image_size - 1) // 2 - 1) // 2
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 16, 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 8, 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * side**2, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images [N, C, H, H] to logits [N, classes]."""
        return self.layers(images)


class MLP(nn.Module):
    """A perceptron with two hidden layers of 128 relu units: the quickest network to train and to plot.

    Args:
        in_channels: Channels of an image. Default 1.
        image_size: Height and width of an image, in pixels. Default 28.
        classes: Number of logits. Default 10.

    Raises:
        ValueError: If a size is less than 1.

    Example:
        >>> MLP()(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 10])
    """

    def __init__(self, in_channels: int = 1, image_size: int = 28, classes: int = 10) -> None:
        super().__init__()
        _check_sizes("MLP", in_channels, image_size, classes, smallest=1)
        self.in_channels, self.image_size, self.classes = in_channels, image_size, classes
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(in_channels * image_size**2, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, classes),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images [N, C, H, H] to logits [N, classes]."""
        return self.layers(images)


class ResNet(nn.Module):
    r"""The residual network for small images of He et al. 2016 (arXiv 1512.03385, section 4.2).

    One 3x3 convolution, then three stages of n blocks with two 3x3 convolutions each and 16, 32, 64 channels,
    global average pooling, one dense layer: $6n + 2$ layers with weights. Shortcuts have no parameters
    (option A): if the size changes they take every second pixel and fill the new channels with zeros.

    Args:
        depth: Layers with weights, $6n + 2$ with $n \ge 1$. Default 20.
        shortcuts: Whether a block adds its input to its output. Without shortcuts the parameters are the same, and the
            landscape is chaotic for large depths (Li et al. 2018, arXiv 1712.09913, section 5). Default True.
        in_channels: Channels of an image. Default 1.
        classes: Number of logits. Default 10.

    Raises:
        ValueError: If the depth is not $6n + 2$ or another size is less than 1.

    Example:
        >>> network = ResNet(depth=8, in_channels=3)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self, depth: int = 20, shortcuts: bool = True, in_channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        # The pooling takes any size; a checkpoint records the image size of `build`.
        self.image_size = 28
        _check_sizes("ResNet", in_channels, self.image_size, classes, smallest=1)
        if depth < 8 or (depth - 2) % 6:
            raise ValueError(
                f"depth must be 6n+2 with n >= 1 in a ResNet for small images, got {depth}; for example depth=20"
            )
        self.in_channels, self.classes = in_channels, classes
        self.depth, self.shortcuts = depth, shortcuts
        self.stem = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        blocks: list[nn.Module] = []
        channels = 16
        for width in (16, 32, 64):
            for _ in range((depth - 2) // 6):
                blocks.append(_Block(channels, width, shortcuts))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # He et al. 2015 (arXiv 1502.01852), which section 4.2 prescribes; torch's default is smaller.
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images [N, C, H, W] to logits [N, classes]."""
        features = self.blocks(F.relu(self.stem_norm(self.stem(images))))
        return self.head(features.mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two 3x3 convolutions [N, channels, H, W] -> [N, width, H', W'], H' = H or, for a new width, H / 2."""

    def __init__(self, channels: int, width: int, shortcuts: bool) -> None:
        super().__init__()
        self.shortcuts, self.stride, self.new_channels = shortcuts, width // channels, width - channels
        self.conv1 = nn.Conv2d(channels, width, 3, stride=self.stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)

    def extra_repr(self) -> str:
        return f"shortcuts={self.shortcuts}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if not self.shortcuts:
            return F.relu(y)
        skipped = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_channels))
        return F.relu(y + skipped)


def _check_sizes(network: str, in_channels: int, image_size: int, classes: int, *, smallest: int) -> None:
    """Refuse sizes that leave a layer without inputs or outputs."""
    if in_channels < 1 or classes < 1:
        raise ValueError(
            f"in_channels and classes must be at least 1 in {network}, got {in_channels} and {classes}; for example "
            "in_channels=1, classes=10"
        )
    if image_size < smallest:
        raise ValueError(
            f"image_size must be at least {smallest} in {network}, whose layers leave nothing of a smaller image, got "
            f"{image_size}. Enlarge the images, or take 'mlp' or 'resnet20', which take any size"
        )


_PLAIN: dict[str, type[VGG13] | type[MnistCNN] | type[MLP]] = {
    "vgg13": VGG13,
    "mnist-cnn": MnistCNN,
    "mlp": MLP,
}
