"""Small models of every family that people train, for the table of cases."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class Recurrent(nn.Module):
    """A classifier of sequences by the last state of a recurrent layer."""

    def __init__(self, kind: type[nn.RNNBase], **options) -> None:
        super().__init__()
        self.body = kind(3, 5, batch_first=True, **options)
        self.head = nn.Linear(10 if options.get("bidirectional") else 5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


class Encoder(nn.Module):
    """A transformer encoder over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.body = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, dropout=0.2, batch_first=True), 2, enable_nested_tensor=False
        )
        self.head = nn.Linear(8, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body(self.embedding(tokens)).mean(1))


class Decoder(nn.Module):
    """A causal language model whose head is tied to its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.embedding(tokens))
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=x.device, dtype=x.dtype)
        return self.head(x + self.attention(x, x, x, attn_mask=mask, need_weights=False)[0])


class Translator(nn.Module):
    """A transformer of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Transformer(8, 2, 1, 1, 12, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.head(self.body(source, target)).mean(1)


@dataclass
class Graph:
    """Some graphs in one, as libraries for graphs batch them."""

    nodes: Tensor
    edges: Tensor
    graph_of_node: Tensor
    target: Tensor

    @property
    def num_graphs(self) -> int:
        return len(self.target)

    def __call__(self, *names: str) -> list[Tensor]:
        """Such batches can be called, as those of PyTorch Geometric."""
        return [getattr(self, name) for name in names]


class GraphNetwork(nn.Module):
    """Two rounds of messages along edges, and the mean over the nodes of each graph."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 6), nn.Linear(6, 6)])
        self.head = nn.Linear(6, 2)

    def forward(self, graph: Graph) -> Tensor:
        x = graph.nodes
        for layer in self.layers:
            message = layer(x)
            x = torch.tanh(message + torch.zeros_like(message).index_add(0, graph.edges[1], message[graph.edges[0]]))
        sums = x.new_zeros(graph.num_graphs, x.shape[1]).index_add(0, graph.graph_of_node, x)
        return self.head(sums)


class Physics(nn.Module):
    """The solution u(x) of a differential equation."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def residual(call, batch):
    """u'' + u = 0 with u(0) = 0, u'(0) = 1: the derivatives are those of the network by its input."""
    x = batch.requires_grad_()
    u = call(x)
    (first,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    return (second + u).square().mean(1)


class Autoencoder(nn.Module):
    """Images through a narrow place and back."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.GroupNorm(2, 4), nn.SiLU())
        self.up = nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.up(self.down(x)))


class TwoInputs(nn.Module):
    """Numbers and a category, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.category = nn.EmbeddingBag(7, 4)
        self.body = nn.Bilinear(3, 4, 5)

    def forward(self, *, numbers: Tensor, category: Tensor) -> Tensor:
        return self.body(numbers, self.category(category))


class TwoOutputs(nn.Module):
    """A class and a number for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.PReLU())
        self.heads = nn.ModuleDict({"label": nn.Linear(6, 3), "value": nn.Linear(6, 1)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {name: head(self.body(x)) for name, head in self.heads.items()}


def both(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
    classes = F.cross_entropy(outputs["label"], targets["label"], reduction="none")
    return classes + (outputs["value"][:, 0] - targets["value"]).square()


@dataclass
class Output:
    """What a model of Hugging Face returns."""

    loss: Tensor
    logits: Tensor


class WithLabels(nn.Module):
    """Gives its own loss, as models of Hugging Face do."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Output:
        x = self.embedding(input_ids) * attention_mask[..., None]
        logits = self.head(x.sum(1) / attention_mask.sum(1, keepdim=True))
        return Output(F.cross_entropy(logits, labels), logits)


class LowRank(nn.Module):
    """A frozen layer with a low-rank correction that was trained."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(6, 6).requires_grad_(False)
        self.lora_a = nn.Parameter(torch.randn(2, 6))
        self.lora_b = nn.Parameter(torch.randn(6, 2))
        self.head = nn.Linear(6, 3).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.base(x) + x @ self.lora_a.t() @ self.lora_b.t()))


def normalised(kind: str) -> nn.Module:
    """Layers whose weights are computed from others."""
    wrap = getattr(parametrizations, kind)
    return nn.Sequential(wrap(nn.Linear(5, 6)), nn.Tanh(), nn.Linear(6, 3)).eval()


class Remembering(nn.Module):
    """Writes to its buffers and attributes in every forward pass, also in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.register_buffer("average", torch.zeros(4))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.average.mul_(0.9).add_(0.1)
        self.last = self.body(x) + self.average * self.calls
        return self.last


class Mixed(nn.Module):
    """Layers of different precisions, with the conversions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(4, 6, dtype=torch.float64)
        self.narrow = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(torch.relu(self.wide(x.to(self.wide.weight.dtype))).to(self.narrow.weight.dtype))


class Deciding(nn.Module):
    """Control flow that depends on the data and on the weights, which vmap cannot batch."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        scale = 2.0 if self.body.weight.abs().sum().item() > 1e-3 else 1.0
        return self.head(torch.relu(self.body(x)) * scale)


class Separable(nn.Module):
    """Depthwise and pointwise convolutions with squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = nn.Conv2d(3, 6, 3, padding=1, groups=3, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.squeeze = nn.Conv2d(6, 6, 1)
        self.point = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.norm(self.depth(x)))
        return self.point(x * torch.sigmoid(self.squeeze(x.mean((2, 3), keepdim=True)))).mean((2, 3))


def volume() -> nn.Module:
    """Convolutions in three dimensions."""
    return nn.Sequential(
        nn.Conv3d(1, 3, 2), nn.InstanceNorm3d(3, affine=True), nn.ELU(), nn.Flatten(), nn.LazyLinear(3)
    )


def sound() -> nn.Module:
    """Convolutions in one dimension, dilated and strided."""
    return nn.Sequential(
        nn.Conv1d(2, 4, 3, dilation=2), nn.BatchNorm1d(4), nn.GELU(), nn.ConvTranspose1d(4, 3, 3, stride=2),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(),
    )  # fmt: skip


class Skip(nn.Module):
    """A U-Net: pooling, upsampling and concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.deep, self.last = (
            nn.Conv2d(1, 3, 3, padding=1),
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Conv2d(6, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        skipped = torch.relu(self.first(x))
        deep = torch.relu(self.deep(F.avg_pool2d(skipped, 2)))
        return self.last(torch.cat([skipped, F.interpolate(deep, scale_factor=2, mode="nearest")], dim=1))


class Mixture(nn.Module):
    """Experts of stacked weights, mixed by a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 3)
        self.experts = nn.Parameter(torch.randn(3, 4, 5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("ne,neo->no", self.gate(x).softmax(1), torch.einsum("ni,eio->neo", x, self.experts))
