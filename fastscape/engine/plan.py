"""How the points of a landscape are evaluated. A plan changes the time of a run, never its values beyond rounding."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from fastscape.kernels import Backend
from fastscape.results import check_file, clipped, parsed, write_whole

__all__ = ["Batching", "Plan"]

Batching = Literal["auto", "vmap", "loop", "layers"]
MemoryFormat = Literal["contiguous", "channels_last"]
Products = Literal["materialised", "shared", "fused", "auto"]

MICROBATCH = 64

_MOST_BYTES = 1 << 16  # of a file; a plan has a few hundred


@dataclass(frozen=True, kw_only=True)
class _Layers:
    """How layers are computed: the keyword-only option of a plan."""

    products: Products = "materialised"


@dataclass(frozen=True)
class Plan(_Layers):
    """How points are evaluated.

    Args:
        batching: "vmap" runs the model once for a whole chunk of points, "loop" once for each point. "layers" also
            runs it once for each point, but the points of a chunk go through the model together, block by block, so
            that the weights of one block at one point are in memory at a time. Under "layers", a model that draws
            random numbers or changes itself is evaluated in a loop, and the report says why. Default "auto": fixed
            rules choose what suits the model.
        chunk: Grid points whose weights are in memory at once, from one launch of the interpolation. Default 0: as
            many as fixed rules give.
        microbatch: Samples per forward pass, if batches can be cut and joined without a change of the values; a batch
            that cannot be cut stays whole. Default 64.
        kernels: "auto", Triton on a GPU and torch elsewhere; or "triton" or "torch". Default "auto".
        memory_format: Order of images and of the weights of two-dimensional convolutions: "contiguous", channels
            first, or "channels_last". Default "contiguous".
        workers: Threads that evaluate points side by side and share the processor's cores. Default 1.
        compile: Whether `torch.compile` makes one program of the forward pass and the measures; needs the loop.
            Default False.
        hoist: Whether results that are the same at every point are computed once: under vmap, layers whose input is
            the same at every point; in a compiled loop, the patches that the first convolution reads. Default False.
        graphs: Whether a loop on a GPU is captured once, as one CUDA graph for each shape of a microbatch, and
            replayed at every point. If no graph of a model can be captured, a plain loop evaluates it, and the report
            says why. Default False.
        overlap: Whether on a GPU the weights of the next chunk are made on a second stream while this chunk is
            evaluated; weights take twice the memory. Default False.

        products: How linear layers, and convolutions whose kernel is one pixel, are computed under vmap if their input
            depends on the point. "materialised" has the weights of every point in memory. "shared" multiplies the
            inputs of all points with the vectors of the basis, mixed by the coefficients of each point. "fused" uses a
            kernel that forms the weights tile by tile. "auto" chooses for each layer by its number of rows per point.
            Under the last three, weights that nothing else reads are not written to memory. In a reduced precision,
            which rounds weights, "shared" is refused. Default "materialised".

    Raises:
        ValueError: When an option is unknown, a number is below 1, or options exclude each other.

    Example:
        >>> from fastscape import Plan
        >>> plan = Plan(batching="loop", chunk=4, microbatch=128)
        >>> plan.microbatch, plan.memory_format
        (128, 'contiguous')
    """

    batching: Batching = "auto"
    chunk: int = 0
    microbatch: int = MICROBATCH
    kernels: Backend = "auto"
    memory_format: MemoryFormat = "contiguous"
    workers: int = 1
    compile: bool = False
    hoist: bool = False
    graphs: bool = False
    overlap: bool = False

    def __post_init__(self) -> None:
        choices = {
            "batching": Batching,
            "kernels": Backend,
            "memory_format": MemoryFormat,
            "products": Products,
        }
        for name, known in choices.items():
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"{name} must be {' or '.join(map(repr, get_args(known)))}, got {getattr(self, name)!r}"
                )
        for name in ("chunk", "microbatch", "workers"):
            value = getattr(self, name)
            least = 0 if name == "chunk" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
        for name in ("compile", "hoist", "graphs", "overlap"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.batching == "layers" and (self.compile or self.hoist or self.graphs or self.overlap):
            raise ValueError(
                "layers stop a forward pass in front of every block; with batching='layers' write compile=False, "
                "hoist=False, graphs=False and overlap=False"
            )
        if self.batching == "layers" and self.workers > 1:
            raise ValueError("layers let one pass run at a time; with batching='layers' write workers=1")
        if self.batching == "vmap" and self.compile:
            raise ValueError("compile acts on single points; with it write batching='loop'")
        if self.batching != "vmap" and self.hoist and not self.compile:
            raise ValueError("hoist has to know what all points share; with it write batching='vmap', or compile=True")
        if self.batching != "vmap" and self.products != "materialised":
            raise ValueError(
                f"products={self.products!r} needs many points at once; write Plan('vmap', products={self.products!r})"
            )
        if self.compile and self.workers > 1:
            raise ValueError("a compiled step takes all cores by itself; with compile=True write workers=1")
        if self.graphs and (self.batching == "vmap" or self.hoist or self.workers > 1):
            raise ValueError(
                "graphs replay a plain loop at fixed addresses; with graphs=True write batching='loop', hoist=False "
                "and workers=1"
            )

    @property
    def channels_last(self) -> bool:
        """Whether images and convolutions have their channels last."""
        return self.memory_format == "channels_last"

    @property
    def plain(self) -> bool:
        """Whether points are evaluated as by `Problem.total`, with no option that could change a value."""
        fast = self.channels_last or self.workers > 1 or self.compile or self.hoist or self.graphs or self.overlap
        return self.batching == "loop" and not fast

    @property
    def together(self) -> bool:
        """Whether some layers of all points are computed together, from the basis and not from the weights."""
        return self.batching == "vmap" and (self.hoist or self.products != "materialised")

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain values, for the report."""
        options = asdict(self)
        options["products"] = options.pop("products")  # behind older options, as in the signature
        return options

    def save(self, path: str | Path) -> Path:
        """Writes the plan as JSON.

        Args:
            path: The file.

        Returns:
            The path.

        Example:
            >>> import tempfile
            >>> from fastscape import Plan
            >>> plan = Plan("loop", chunk=2, workers=4)
            >>> Plan.load(plan.save(tempfile.mkdtemp() + "/plan.json")) == plan
            True
        """
        path = Path(path)
        write_whole(path, (json.dumps(self.as_dict(), indent=2) + "\n").encode())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Reads a plan that `save` has written.

        Args:
            path: The file.

        Returns:
            The plan.

        Raises:
            OSError: When the file cannot be read.
            ValueError: When the file is no plan, or names an option that does not exist.
        """
        check_file(Path(path), "a plan must be a .json file that Plan.save wrote")
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        known = {field.name for field in fields(cls)}
        try:
            if len(content) > _MOST_BYTES:
                raise ValueError(f"it has more than {_MOST_BYTES} bytes")
            options = parsed(content)
            if not isinstance(options, dict) or not options.keys() <= known:
                raise ValueError(f"it must be a JSON object with {', '.join(sorted(known))}")
            return cls(**options)
        except ValueError as error:
            raise ValueError(
                f"{path} is no plan ({clipped(error)}); give a file that Plan.save has written"
            ) from error
