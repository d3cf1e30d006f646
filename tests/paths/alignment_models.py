"""Small networks of every family, of which it is known by thought what may be permuted."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape.zoo import models


@dataclass(frozen=True)
class Family:
    """One family.

    Args:
        build: Makes a network.
        inputs: Makes samples.
        free: How many different permutations it has, axes that are permuted alike counted once.
        odd: Operations that are not understood.
        exact: Whether a permutation is found again from any order.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[], Tensor]
    free: int
    odd: tuple[str, ...] = ()
    exact: bool = True


class Of(nn.Module):
    """Layers with a function of them."""

    def __init__(self, function: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


class Attention(nn.Module):
    """Attention with queries that share keys and values, and norms of queries and keys that all heads share."""

    def __init__(self, shared: int, *, normed: bool = False) -> None:
        super().__init__()
        self.heads, self.shared = 4, shared
        self.q, self.k, self.v = nn.Linear(6, 24), nn.Linear(6, 6 * 4 // shared), nn.Linear(6, 6 * 4 // shared)
        self.out = nn.Linear(24, 3)
        self.norm = nn.LayerNorm(6) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (-1, 6)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        q, k = self.norm(q), self.norm(k)
        k, v = (t.repeat_interleave(self.shared, 1) for t in (k, v))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Shared(nn.Module):
    """The same as a language model does it: shared keys are views, and the weights of input and output are tied."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.up, self.down = nn.Embedding(9, 8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 9, bias=False)
        self.head.weight = self.embed.weight
        self.q, self.k, self.v, self.o = nn.Linear(8, 16), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        b, t, _ = h.shape
        q = self.q(h).view(b, t, 4, 4).transpose(1, 2)
        k, v = (layer(h).view(b, t, 2, 4).transpose(1, 2) for layer in (self.k, self.v))
        k, v = (a[:, :, None].expand(b, 2, 2, t, 4).reshape(b, 4, t, 4) for a in (k, v))
        q = q * torch.arange(1.0, 5.0).to(q)  # places within a head are told apart, as by rotary positions
        attention = (q @ k.transpose(2, 3) / 2).softmax(-1)
        h = h + self.o((attention @ v).transpose(1, 2).reshape(b, t, -1))
        return self.head(h + self.down(F.gelu(self.up(h))))


def flat(*sizes: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(*sizes)


def words(*sizes: int) -> Callable[[], Tensor]:
    return lambda: torch.randint(9, sizes)


def mlp(*sizes: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))[:-1]

    return build


def conv(a: int, b: int, **options: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, padding=1, **options)


def pooled(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))


def built(build: Callable[[], nn.Module], inputs: Callable[[], Tensor]) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model, x = build(), inputs()
    with torch.no_grad():
        model(x)  # lazy layers get their sizes
    return model, x


IMAGES = flat(3, 2, 8, 8)
SENTENCES = flat(3, 5, 6)

FAMILIES = {
    "mlp": Family(mlp(4, 9, 7, 3), flat(6, 4), 2),
    "conv, batch norm, flatten": Family(
        lambda: nn.Sequential(
            conv(2, 6), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 3)
        ),
        IMAGES,
        2,  # the channels, and the places of a flat image
    ),
    "group norm": Family(
        lambda: pooled(conv(2, 8), nn.GroupNorm(2, 8), nn.SiLU(), conv(8, 6), nn.GroupNorm(1, 6), nn.ReLU()), IMAGES, 2
    ),
    "instance norm": Family(lambda: pooled(conv(2, 6), nn.InstanceNorm2d(6, affine=True), nn.ReLU()), IMAGES, 1),
    "layer norm": Family(
        lambda: nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)),
        flat(6, 4), 1,
    ),
    "rms norm": Family(
        lambda: nn.Sequential(nn.Linear(4, 8), nn.RMSNorm(8), nn.Mish(), nn.Linear(8, 3)),
        flat(6, 4), 1,
    ),
    "resnet8": Family(lambda: models.build("resnet8"), flat(2, 1, 28, 28), 6),
    "depthwise": Family(
        lambda: pooled(conv(2, 6), nn.BatchNorm2d(6), nn.ReLU6(), conv(6, 6, groups=6),
                       nn.Hardswish(), nn.Conv2d(6, 5, 1)),
        IMAGES,
        2,
    ),
    "grouped": Family(lambda: pooled(conv(2, 8), nn.ReLU(), conv(8, 12, groups=4), nn.PReLU(12)), IMAGES, 3),
    "transposed": Family(
        lambda: nn.Sequential(conv(2, 6), nn.ELU(), nn.ConvTranspose2d(6, 4, 2, 2), nn.ReLU(), conv(4, 1)), IMAGES, 2
    ),
    "one dimension": Family(
        lambda: nn.Sequential(nn.Conv1d(6, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.AvgPool1d(2), nn.Conv1d(8, 2, 1)),
        flat(3, 6, 9),
        1,
    ),
    "three dimensions": Family(
        lambda: nn.Sequential(nn.Conv3d(1, 6, 3), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(6, 2, 1)),
        flat(2, 1, 6, 6, 6), 1
    ),
    "tied": Family(
        lambda: Of(lambda m, x: torch.sigmoid(m.a(x)) @ m.a.weight, a=nn.Linear(5, 8)), flat(6, 5), 1
    ),
    "multi-head attention": Family(
        lambda: Of(lambda m, x: m.out(m.a(m.i(x), m.i(x), m.i(x), need_weights=False)[0]),
                   i=nn.Linear(6, 8), a=nn.MultiheadAttention(8, 2, batch_first=True), out=nn.Linear(8, 3)),
        SENTENCES,
        4,
    ),
    "transformer encoder": Family(
        lambda: nn.Sequential(
            nn.Linear(6, 8), nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2),
            nn.Linear(8, 3),
        ),
        SENTENCES,
        7,
    ),
    "transformer": Family(
        lambda: Of(lambda m, x: m.t(x, x[:, :3]), t=nn.Transformer(6, 2, 1, 1, 10, batch_first=True)), SENTENCES, 8
    ),
    "shared keys, repeated": Family(lambda: Attention(2), SENTENCES, 4),
    "heads with one norm": Family(lambda: Attention(1, normed=True), SENTENCES, 3),
    "language model": Family(Shared, words(3, 5), 6),
    "lstm": Family(
        lambda: Of(lambda m, x: m.out(m.a(x)[0][:, -1]), a=nn.LSTM(6, 7, 2, batch_first=True), out=nn.Linear(7, 3)),
        SENTENCES,
        4,
    ),
    "gru": Family(
        lambda: Of(lambda m, x: m.out(m.a(x)[0].mean(1)), a=nn.GRU(6, 5, bidirectional=True, batch_first=True),
                   out=nn.Linear(10, 3)),
        SENTENCES,
        5,
    ),
    "gated": Family(lambda: nn.Sequential(nn.Linear(4, 16), nn.GLU(), nn.Linear(8, 3)), flat(6, 4), 2),
    "swiglu": Family(
        lambda: Of(lambda m, x: m.o(F.silu(m.a(x).chunk(2, -1)[0]) * m.a(x).chunk(2, -1)[1]),
                   a=nn.Linear(4, 16), o=nn.Linear(8, 3)),
        flat(6, 4),
        2,
    ),
    "one unit is read": Family(
        lambda: Of(lambda m, x: m.b(torch.tanh(m.a(x))) + m.a(x)[:, :1], a=nn.Linear(4, 8), b=nn.Linear(8, 3)),
        flat(6, 4),
        1,
    ),
    "flipped": Family(
        lambda: Of(lambda m, x: m.b(torch.tanh(m.a(x)).flip(1) + m.a(x)), a=nn.Linear(4, 8), b=nn.Linear(8, 3)),
        flat(6, 4),
        1,
    ),
    "rolled": Family(
        lambda: Of(lambda m, x: m.b(F.relu(m.a(x)).roll(3, 1)), a=nn.Linear(4, 8), b=nn.Linear(8, 3)), flat(6, 4), 2
    ),
    "pixel shuffle": Family(
        lambda: nn.Sequential(conv(2, 24), nn.ReLU(), nn.PixelShuffle(2), conv(6, 2)), IMAGES, 2
    ),
    "channel shuffle": Family(
        lambda: pooled(conv(2, 8), nn.ReLU(), nn.ChannelShuffle(2), conv(8, 6)), IMAGES, 3
    ),
    "einsum": Family(
        lambda: Of(lambda m, x: m.b(torch.einsum("bti,ni->btn", x, m.a.weight).relu()),
                   a=nn.Linear(6, 8, bias=False), b=nn.Linear(8, 3)),
        SENTENCES,
        1,
    ),
    "two branches": Family(
        lambda: Of(lambda m, x: m.c(torch.cat([m.a(x).relu(), m.b(x).tanh()], 1)),
                   a=nn.Linear(4, 6), b=nn.Linear(4, 5), c=nn.Linear(11, 3)),
        flat(6, 4),
        3,
    ),
    "dense": Family(
        lambda: Of(lambda m, x: m.c(torch.cat([m.a(x), m.b(m.a(x)).relu()], 1).mean((2, 3))),
                   a=conv(2, 4), b=conv(4, 5), c=nn.Linear(9, 3)),
        IMAGES,
        3,
    ),
    "u-net": Family(
        lambda: Of(lambda m, x: m.c(torch.cat([m.a(x), F.interpolate(m.b(F.max_pool2d(m.a(x), 2)),
                                                                   scale_factor=2)], 1)),
                   a=conv(2, 4), b=conv(4, 5), c=conv(9, 1)),
        IMAGES,
        3,
    ),
    "sorted": Family(
        lambda: Of(lambda m, x: m.c(m.b(m.a(x).relu()).sort(1)[0]),
                   a=nn.Linear(4, 6), b=nn.Linear(6, 5), c=nn.Linear(5, 3)),
        flat(6, 4),
        1,
        ("sort",),
    ),
    "summed from the first": Family(
        lambda: Of(lambda m, x: m.c(m.b(m.a(x).relu()).cumsum(1)),
                   a=nn.Linear(4, 6), b=nn.Linear(6, 5), c=nn.Linear(5, 3)),
        flat(6, 4),
        1,
    ),
    "decides by values": Family(
        lambda: Of(lambda m, x: m.b(m.a(x).relu() if m.a(x).sum() > 0 else m.a(x).tanh()),
                   a=nn.Linear(4, 6), b=nn.Linear(6, 3)),
        flat(6, 4),
        1,
    ),
    "mixer": Family(
        lambda: Of(lambda m, x: m.o(m.i(x) + m.b(m.a(m.i(x).mT).relu()).mT),
                   i=nn.Linear(6, 4), a=nn.Linear(5, 7), b=nn.Linear(7, 5), o=nn.Linear(4, 3)),
        SENTENCES,
        2,
    ),
    "writes into a part": Family(
        lambda: Of(_written, a=nn.Linear(4, 6), b=nn.Linear(6, 5), c=nn.Linear(8, 3)), flat(6, 4), 1,
        ("writing to a part of a tensor",),
    ),
}  # fmt: skip


def _written(model: nn.Module, x: Tensor) -> Tensor:
    room = x.new_zeros(len(x), 8)
    room[:, :5] = model.b(model.a(x).relu())
    return model.c(room)
