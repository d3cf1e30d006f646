"""The basis: theta and the normalised directions as rows of one matrix, with the Gram matrices of its segments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from fastscape.kernels import Backend, Seeded, gram, interpolate
from fastscape.weights import norms
from fastscape.weights.directions import Random, direction_random
from fastscape.weights.here import Here
from fastscape.weights.layout import Layout
from fastscape.weights.precision import Place
from fastscape.weights.schemes import Scheme
from fastscape.weights.tensorwise import Tensorwise
from fastscape.weights.tensorwise_here import TensorwiseHere

__all__ = ["Basis", "basis_of", "basis_redrawn", "basis_seeded", "basis_tensorwise"]


@dataclass(frozen=True, eq=False)
class Basis:
    """The vectors whose combinations are the points of a landscape.

    Args:
        vectors: (theta, d1, ...) [K, P], on the device of the run; or an object that computes them, or parts of them,
            again when they are read. If the model is shared out among processes, the part that this process holds.
        gram: Gram matrices [S, K, K] of the normalised vectors, float64, on the CPU.
        layout: What the P entries are.
        factors: The factors [S, K] that normalise the vectors, if these are not in memory and so could not be scaled
            in place; the coefficients then carry the factors. None when the vectors are normalised.
        unscaled: For each direction, whether its norm left it as it was drawn or given. Default: no direction.
        here: The part of the P entries that this process holds. Default: all.
    """

    vectors: Tensor | Seeded | Tensorwise
    gram: Tensor
    layout: Layout
    factors: Tensor | None = None
    unscaled: Sequence[bool] = ()
    here: Here | None = None

    @property
    def held(self) -> Layout:
        """The layout of the entries of the vectors: the whole layout, or the part that this process holds."""
        return self.layout if self.here is None else self.here.layout

    def held_coefficients(self, c: Tensor) -> Tensor:
        """Selects the segments of `held`: from coefficients [G, S or 1, K] to [G, S' or 1, K]."""
        return c if self.here is None else self.here.coefficients(c)

    @cached_property
    def gram_of_layers(self) -> Tensor:
        """The Gram matrices [layers, K, K] of whole tensors, on the CPU."""
        return norms.per_layer(self.gram, self.layout.layer_of_segment)

    @property
    def theta(self) -> Tensor:
        """The first vector [P]."""
        assert not isinstance(self.vectors, Tensorwise)  # a tensorwise basis holds no whole vector
        return self.vectors.theta if isinstance(self.vectors, Seeded) else self.vectors[0]

    def relaid(self, *, channels_last: bool) -> Basis:
        """The basis with the weights of convolutions in another order; its vectors are reordered in place.

        Args:
            channels_last: Whether to store the channels last.

        Returns:
            The basis with a layout in this order; do not use the old basis afterwards.

        Raises:
            ValueError: When the directions are not in memory, because their numbers have one fixed order.
        """
        if channels_last == self.layout.channels_last:
            return self
        if not isinstance(self.vectors, Tensor):
            raise ValueError("low_memory=True needs memory_format='contiguous'; write that in the plan")
        return replace(self, layout=self.layout.relaid(self.vectors, channels_last=channels_last))

    def coefficients(self, scheme: Scheme, points: Tensor | Sequence[Tensor]) -> Tensor:
        """The coefficients that a scheme gives to the vectors, filter by filter.

        Args:
            scheme: The scheme.
            points: Grid coordinates [G, D], or D tensors [G].

        Returns:
            Coefficients [G, S or 1, K].

        Raises:
            ValueError: When the scheme returns another shape.
        """
        c = self._of_scheme(scheme, points)
        return c if self.factors is None else c * self.factors

    def _of_scheme(self, scheme: Scheme, points: Tensor | Sequence[Tensor]) -> Tensor:
        """The coefficients of the normalised vectors."""
        coordinates = points.unbind(1) if isinstance(points, Tensor) else points
        layered = scheme.over == "layer"
        grams = self.gram_of_layers if layered else self.gram
        c = scheme.coefficients(grams, *coordinates)
        wanted = (len(coordinates[0]), len(grams), self.gram.shape[2])
        if not isinstance(c, Tensor) or c.dim() != 3 or c.shape not in (wanted, (wanted[0], 1, wanted[2])):
            came = tuple(c.shape) if isinstance(c, Tensor) else type(c).__name__
            raise ValueError(
                f"the scheme must return coefficients of shape {wanted} or ({wanted[0]}, 1, {wanted[2]}) (points, "
                f"segments or 1, basis vectors), got {came}"
            )
        if layered and c.shape[1] > 1:
            c = c[:, self.layout.layer_of_segment]
        return c

    def leads_to(self, scheme: Scheme, at: Sequence[float], multiples: Sequence[float] | None = None) -> bool:
        """Whether a scheme gives theta plus some multiples of the directions, to rounding.

        Args:
            scheme: The scheme.
            at: The coordinates.
            multiples: The multiples. Default: the coordinates.

        Returns:
            Whether this holds in every segment.
        """
        c = self._of_scheme(scheme, torch.tensor([at], dtype=torch.float64, device="cpu"))
        wanted = torch.tensor([1.0, *(at if multiples is None else multiples)], dtype=torch.float64, device="cpu")
        off = (c[0].cpu().double() - wanted).expand(len(self.gram), -1)
        square = torch.einsum("sk,skl,sl->s", off, self.gram, off).clamp(min=0)  # ||sum_k off_k B_k||^2
        norms = self.gram.diagonal(dim1=1, dim2=2).sqrt()
        there = norms.sum(1) != 0  # the padding has norm 0
        exact = (off == 0).all(1)  # also where weights are not finite
        return bool((exact | (square.sqrt() <= 1e-5 * norms @ wanted.abs()))[there].all())


def basis_of(
    theta: Mapping[str, Tensor],
    layout: Layout,
    directions: Sequence[Callable[..., object]],
    normalize: str,
    place: Place,
    *,
    together: Callable[[Tensor], object] | None = None,
    here: Here | None = None,
) -> Basis:
    """Stacks the model's weights and the directions, and normalises the directions.

    Args:
        theta: The model's tensors by name, or what this process holds of them.
        layout: The flat buffer.
        directions: For each direction a function that writes it to the row `out` [P] of the basis.
        normalize: One of `fastscape.weights.norms.NORMS`.
        place: Where the basis goes.
        together: Function that writes all directions at once, to rows [K - 1, P]. Default: one after another.
        here: The part of the flat buffer that this process holds. Default: all.

    Returns:
        The basis.
    """
    held = layout if here is None else here.layout
    vectors = torch.empty(1 + len(directions), held.size, dtype=place.precision.basis, device=place.device)
    held.flatten(theta, out=vectors[0])
    if together is not None:
        together(vectors[1:])
    else:
        for row, write in zip(vectors[1:], directions, strict=True):
            write(out=row)
    return _normalised(Basis(vectors, torch.empty(0), layout, here=here), normalize, place.backend)


def _normalised(drawn: Basis, normalize: str, backend: Backend) -> Basis:
    """The basis of theta and directions [K, P] without Gram matrices; the directions are normalised in place."""
    vectors, layout, here = drawn.vectors, drawn.layout, drawn.here
    assert isinstance(vectors, Tensor)
    empty = [not bool(row.any()) for row in vectors[1:]]
    if normalize == "weight":
        vectors[1:] *= vectors[0]
    raw = gram(vectors, drawn.held.segments, backend=backend).cpu()
    raw = raw if here is None else here.gram(raw)
    factors = norms.directions_first(raw, layout.layer_of_segment, normalize)
    same = torch.isclose(factors, torch.ones_like(factors)) | (raw.diagonal(dim1=1, dim2=2) == 0)
    kept = same.all(0)[1:].tolist() if normalize != "weight" else empty
    unscaled = [a or b for a, b in zip(empty, kept, strict=True)]
    if not bool((factors == 1).all()):
        for k in range(1, len(vectors)):
            row, c = vectors[k : k + 1], drawn.held_coefficients(factors[None, :, k : k + 1])
            interpolate(row, c, drawn.held.segments, out=row, backend=backend)
    return Basis(vectors, norms.rescaled(raw, factors), layout, unscaled=unscaled, here=here)


def basis_seeded(
    theta: Mapping[str, Tensor], layout: Layout, random: Random, normalize: str, place: Place, *, count: int
) -> Basis:
    """The basis of the model's weights and random directions that take no memory.

    The directions equal `direction_random`. They are computed again on every read.

    Args:
        theta: The model's tensors by name.
        layout: The flat buffer.
        random: Seed and distribution of the directions.
        normalize: One of `fastscape.weights.norms.NORMS`.
        place: Where theta goes.
        count: Number of directions, 1 or 2.

    Returns:
        The basis.
    """
    flat = layout.flatten(theta, dtype=place.precision.basis, device=place.device)
    vectors = Seeded(flat, int(random.seed), count, random.distribution, weighted=normalize == "weight")
    return _regenerated(vectors, layout, normalize, place.backend)


def basis_tensorwise(
    layout: Layout, random: Random, normalize: str, place: Place, *, count: int, here: Here | None = None
) -> Basis:
    """The basis of a lent model's weights and random directions, with no whole vector in memory.

    Its numbers equal the numbers of `basis_seeded`.

    Args:
        layout: The flat buffer.
        random: Seed and distribution of the directions.
        normalize: One of `fastscape.weights.norms.NORMS`.
        place: Where the model is, with the loan that keeps its weights.
        count: Number of directions, 1 or 2.
        here: The part of the flat buffer that this process holds. Default: all.

    Returns:
        The basis.
    """
    assert place.lent is not None  # the caller has checked this
    vectors = (Tensorwise if here is None else partial(TensorwiseHere, here=here))(
        layout if here is None else here.layout,
        place.lent,
        int(random.seed),
        count,
        place.precision.basis,
        place.device,
        random.distribution,
        normalize == "weight",
        place.backend,
    )
    return _regenerated(vectors, layout, normalize, place.backend)


def _regenerated(vectors: Seeded | Tensorwise, layout: Layout, normalize: str, backend: Backend) -> Basis:
    """The basis of directions that are not in memory, with the factors that normalise them."""
    moving = layout.drawn[:, None].repeat(1, 1 + vectors.directions).double()
    moving[:, 0] = 1.0
    own = vectors.gram() if isinstance(vectors, Tensorwise) else gram(vectors, layout.segments, backend=backend)
    raw = norms.rescaled(own.cpu(), moving)
    factors = norms.directions_first(raw, layout.layer_of_segment, normalize)
    here = vectors.here if isinstance(vectors, TensorwiseHere) else None
    return Basis(vectors, norms.rescaled(raw, factors), layout, factors * moving, here=here)


def basis_redrawn(basis: Basis, random: Random, normalize: str, backend: Backend) -> Basis:
    """The basis of the same weights and different random directions, in memory of their own.

    Args:
        basis: The basis, of random directions. It is not changed.
        random: Seed and distribution of the new directions.
        normalize: One of `fastscape.weights.norms.NORMS`.
        backend: Backend of the kernels.

    Returns:
        The basis, with the weights in the same order. It equals a basis that was built without the old one: to
        rounding, and bit for bit if convolutions do not store their channels last.
    """
    layout, vectors = basis.layout, basis.vectors
    if not isinstance(vectors, Tensor):
        other = replace(vectors, seed=int(random.seed), distribution=random.distribution)
        return _regenerated(other, layout, normalize, backend)
    drawn = torch.empty_like(vectors)
    drawn[0] = vectors[0]
    plain = layout.reordered(channels_last=False)  # the order in which directions are drawn
    for axis, row in enumerate(drawn[1:]):
        if basis.here is None:
            direction_random(plain, random.seed, axis, distribution=random.distribution, out=row)
        else:
            basis.here.random(random.seed, axis, distribution=random.distribution, out=row)
    plain.relaid(drawn[1:], channels_last=layout.channels_last)
    return _normalised(replace(basis, vectors=drawn), normalize, backend)
