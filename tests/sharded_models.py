"""What processes do in the tests of models that are shared out among them."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import fastscape
from fastscape.runs import sharing
from processes import take_part

GRID: dict[str, Any] = {"x": (-1, 1, 3), "y": (-0.5, 1, 3), "seed": 3, "progress": False, "lend": True}
VOCABULARY, WIDTH, HEADS = 17, 10, 2


class Block(nn.Module):
    """One block of a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mixed, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.wide, self.narrow = nn.Linear(WIDTH, 23), nn.Linear(23, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.mixed(self.first(x)).view(*x.shape[:2], 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(F.gelu(self.wide(self.second(x))))


class Transformer(nn.Module):
    """A small language model with tied weights, and a head for two classes that four processes cannot all hold."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.head.weight = self.embedding.weight
        self.classes = nn.Linear(WIDTH, 2)
        self.register_buffer("scale", torch.tensor(1.5))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(x) * self.scale + self.classes(x).sum(-1, keepdim=True)


class Perceptron(nn.Module):
    """Two layers, of which the first can be cut by its rows and the second by its columns."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 7), nn.Linear(7, 9), nn.Linear(9, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x).tanh()).tanh())


def seeded(kind: Callable[[], nn.Module]) -> nn.Module:
    """A model with the same weights in every process."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return kind().double().eval()


def texts() -> list[tuple[Tensor, Tensor]]:
    """Sequences, the same in every process, in two batches."""
    tokens = torch.randint(VOCABULARY, (5, 9), generator=torch.Generator().manual_seed(1))
    return [(tokens[:3, :-1], tokens[:3, 1:]), (tokens[3:, :-1], tokens[3:, 1:])]


def vectors() -> tuple[Tensor, Tensor]:
    """Samples of the perceptron."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(11, 6, dtype=torch.float64, generator=generator), torch.arange(11) % 3


def of_tokens(outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each sequence."""
    return F.cross_entropy(outputs.transpose(1, 2), targets, reduction="none").mean(1)


def transformer_surface(model: nn.Module, **options: Any) -> fastscape.Landscape:
    """The surface of the transformer that all processes compute."""
    return fastscape.surface(model, texts(), loss=of_tokens, **{**GRID, **options})


def perceptron_surface(model: nn.Module, **options: Any) -> fastscape.Landscape:
    """The surface of the perceptron that all processes compute."""
    return fastscape.surface(model, vectors(), **{**GRID, **options})


def sharded(model: nn.Module, mesh: Any) -> nn.Module:
    """The transformer under `fully_shard`, each block by itself."""
    from torch.distributed.fsdp import fully_shard

    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def parallel(model: nn.Module, mesh: Any) -> nn.Module:
    """The perceptron with its first layer cut by rows and its second one by columns."""
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    # In between all is gathered: torch takes parts of another size than the first one for those of a larger whole.
    first, second = ColwiseParallel(output_layouts=Replicate()), RowwiseParallel(input_layouts=Replicate())
    return parallelize_module(model, mesh, {"first": first, "second": second})


def parts_of(model: nn.Module) -> dict[str, Tensor]:
    """What this process holds."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
    return {
        name: (t.to_local() if hasattr(t, "to_local") else t).detach().clone()
        for name, t in model.state_dict().items()
    }


def told(environment: dict[str, str], folder: Path, doing: str) -> None:
    """What one of several processes does: it writes what came of each of the cases."""
    take_part(environment, folder)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    found = {}
    for name in doing.split():
        found[name] = CASES[name](folder) if name in CASES else _of_network(name, folder)
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


def _of_network(name: str, folder: Path) -> dict[str, Any]:
    import sharded_networks

    return sharded_networks.case(name, folder)


def came_of(model: nn.Module, landscape: fastscape.Landscape, before: dict[str, Tensor]) -> dict[str, Any]:
    """What a test looks at."""
    after = parts_of(model)
    report = landscape.report
    return {
        "loss": landscape.loss.tolist(),
        "same": before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before),
        **{key: report[key] for key in ("model", "weights_hash", "norms", "cosine", "warnings", "processes")},
    }


def mesh_of(*shape: int) -> Any:
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh("cpu", shape, mesh_dim_names=("replicas", "parts")[-len(shape) :])


def _everyone() -> int:
    return torch.distributed.get_world_size()


def _fsdp(folder: Path, mesh: Any = None, **options: Any) -> dict[str, Any]:
    model = sharded(seeded(Transformer), mesh_of(_everyone()) if mesh is None else mesh)
    before = parts_of(model)
    return came_of(model, transformer_surface(model, **options), before)


def _in_place(folder: Path) -> dict[str, Any]:
    return _fsdp(folder, low_memory=True)


def _in_place_parallel(folder: Path) -> dict[str, Any]:
    model = parallel(seeded(Perceptron), mesh_of(_everyone()))
    before = parts_of(model)
    return came_of(
        model, perceptron_surface(model, perturb="all", normalize="layer", low_memory=True, keep="disk"), before
    )


def _in_layers(folder: Path) -> dict[str, Any]:
    """Nine points at once, and how often anything is gathered for them; and the same point by point."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    found = {name: _layered(options) for name, options in IN_LAYERS.items()}
    plan = {"low_memory": True, "plan": fastscape.Plan("layers", 9)}
    model = parallel(seeded(Perceptron), mesh_of(_everyone()))
    found["cut"] = perceptron_surface(model, **plan).report["fallback"]
    model = seeded(Perceptron).float()
    fully_shard(model, mesh=mesh_of(_everyone()), mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16))
    found["narrow"] = perceptron_surface(model, **plan).report["fallback"]
    found["fails"] = _fails({0, 1}, 20, **plan)  # in the run, behind what is compared before it
    return found


IN_LAYERS: dict[str, dict[str, Any]] = {
    "weights": {},
    "disk": {"keep": "disk", "normalize": "weight", "perturb": "all"},
    "repeats": {"repeats": 2},
    "in memory": {"low_memory": False},
}


def _in_layers_of_four(folder: Path) -> dict[str, Any]:
    """Some processes have nothing of a small tensor; and two replicas take points of their own."""
    mesh = mesh_of(2, 2)
    from torch.distributed.fsdp import fully_shard

    found = {"four": _layered({"perturb": "all"}), "replicas": _layered({}, mesh)}
    model = parallel(seeded(Perceptron), mesh["parts"])
    fully_shard(model, mesh=mesh["replicas"])
    landscape = perceptron_surface(model, low_memory=True, plan=fastscape.Plan("layers", 9))
    return {**found, "cut twice": landscape.report["fallback"]}


def _layered(options: dict[str, Any], mesh: Any = None) -> dict[str, Any]:
    from fastscape.engine.block_weights import Sweep

    run, gathers = Sweep.run, []

    def counted(self: Sweep, passes: Any) -> Any:
        with Gathers() as counting:
            made = run(self, passes)
        gathers.append([len(passes), counting.count])
        return made

    options = {"low_memory": True, **options}
    model = sharded(seeded(Transformer), mesh_of(_everyone()) if mesh is None else mesh)
    tokens, before = texts()[0][0], parts_of(model)
    with torch.no_grad():
        first = model(tokens)
    Sweep.run = counted  # type: ignore[method-assign]
    try:
        landscape = transformer_surface(model, plan=fastscape.Plan("layers", 9, 64), **options)
    finally:
        Sweep.run = run  # type: ignore[method-assign]
    with torch.no_grad():
        again = torch.equal(model(tokens), first)  # it gathers itself as before
    loop = transformer_surface(model, plan=fastscape.Plan("loop", 1, 64), **options)
    return {
        **came_of(model, landscape, before),
        "loop": loop.loss.tolist(),
        "fallback": landscape.report["fallback"],
        "batching": landscape.report["plan"]["batching"],
        "gathers": gathers,
        "again": again,
    }


class Gathers(TorchDispatchMode):
    """Counts what is gathered in this thread."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += "all_gather_into_tensor" in func.__name__ or "allgather" in func.__name__
        return func(*args, **(kwargs or {}))


def _replicas(folder: Path) -> dict[str, Any]:
    return _fsdp(folder, mesh_of(2, 2))


def _tensor_parallel(folder: Path) -> dict[str, Any]:
    model = parallel(seeded(Perceptron), mesh_of(_everyone()))
    before = parts_of(model)
    return came_of(model, perceptron_surface(model, perturb="all", normalize="layer"), before)


def _both(folder: Path) -> dict[str, Any]:
    """Cut by rows and columns over two processes, and then shared out over two."""
    from torch.distributed.fsdp import fully_shard

    mesh = mesh_of(2, 2)
    model = fully_shard(parallel(seeded(Perceptron), mesh["parts"]), mesh=mesh["replicas"])
    before = parts_of(model)
    return came_of(model, perceptron_surface(model, perturb="all", normalize="layer"), before)


def _used_before(folder: Path) -> dict[str, Any]:
    """FSDP2 keeps parameters of the outermost module whole after a forward pass; and so it does after a run."""
    model = sharded(seeded(Transformer), mesh_of(_everyone()))
    tokens = texts()[0][0]
    with torch.no_grad():
        first = model(tokens)
    landscape = transformer_surface(model)
    with torch.no_grad():
        again = model(tokens)
    kinds = [type(value).__name__ for value in model.state_dict().values()]
    return {"loss": landscape.loss.tolist(), "same": torch.equal(first, again), "kinds": sorted(set(kinds))}


def _options(folder: Path) -> dict[str, Any]:
    """Ways of a run in which the first process decides, or the order of the points."""
    found = {}
    for name, options in OPTIONS.items():
        found[name] = _fsdp(folder, **{**options, **({"store": folder / "run.zarr"} if name == "store" else {})})[
            "loss"
        ]
    return found


OPTIONS: dict[str, dict[str, Any]] = {
    "auto": {"x": ("auto", 3)},
    "repeats": {"repeats": 2},
    "stream": {"stream_samples": 3},
    "tolerance": {"x": (-1, 1, 9), "y": (-1, 1, 9), "tolerance": 0.1},
    "weight": {"normalize": "weight", "scheme": "linear2x"},
    "store": {},
}


def failing(at: int, ranks: set[int]) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss that fails at the k-th evaluation, in some processes."""
    calls = itertools.count(1)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if next(calls) == at and int(os.environ["RANK"]) in ranks:
            raise OSError("the disk is full")
        return of_tokens(outputs, targets)

    return loss


def _fails(ranks: set[int], at: int, **options: Any) -> dict[str, Any]:
    model = sharded(seeded(Transformer), mesh_of(_everyone()))
    before = parts_of(model)
    try:
        fastscape.surface(model, texts(), loss=failing(at, ranks), **GRID, **options)
        said = ""
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    after = parts_of(model)
    same = all(torch.equal(before[name], after[name]) for name in before)
    return {"said": said, "same": same}


def _fails_everywhere(folder: Path) -> dict[str, Any]:
    found = _fails({0, 1, 2, 3}, 16)
    again = _fsdp(folder)  # processes that have failed together can go on
    return {**found, "loss": again["loss"]}


def _fails_in_one(folder: Path) -> dict[str, Any]:
    return {"early": _fails({1}, 5), "late": _fails({1}, 16)}


def _fails_inside(folder: Path) -> dict[str, Any]:
    """One process fails in the middle of a forward pass, when the others wait for it."""
    sharing.GRACE = 1.0
    model = sharded(seeded(Transformer), mesh_of(_everyone()))
    before = parts_of(model)
    model.blocks[1].register_forward_pre_hook(_ninth_fails, prepend=True)
    try:
        transformer_surface(model)
        said = ""
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    after = parts_of(model)
    (folder / f"inside-{os.environ['RANK']}.json").write_text(
        json.dumps({"said": said, "same": all(torch.equal(before[name], after[name]) for name in before)})
    )
    sys.stdout.flush()
    os._exit(0)


_calls = itertools.count(1)  # a run puts back what belongs to the model


def _ninth_fails(*_: Any) -> None:
    if next(_calls) == 9 and os.environ["RANK"] == "1":
        raise OSError("the disk is full")


_fails_now = {"at": 0}


def _fails_later(*_: Any) -> None:
    _fails_now["at"] -= 1
    if _fails_now["at"] == 0:
        raise OSError("the disk is full")


def _abandoned(folder: Path) -> dict[str, Any]:
    """All fail in the middle of a forward pass; the next run, and the next pass, begin anew, in old torch too."""
    from torch.distributed.fsdp import FSDPModule

    model = sharded(seeded(Transformer), mesh_of(_everyone()))
    tokens = texts()[0][0]
    with torch.no_grad():
        first = model(tokens)
    hook = model.blocks[1].register_forward_pre_hook(_fails_later)
    before, found = parts_of(model), {}
    for version in ("new", "old"):
        if version == "old" and hasattr(FSDPModule, "reset_iter_state"):
            del FSDPModule.reset_iter_state
        _fails_now["at"] = 14
        try:
            transformer_surface(model)
            said = ""
        except OSError as error:
            said = str(error)
        after = parts_of(model)
        with torch.no_grad():
            again = torch.equal(model(tokens), first)
        same = all(torch.equal(before[name], after[name]) for name in before)
        found[version] = {"said": said, "same": same, "again": again}
    hook.remove()
    return found


def _refused(folder: Path) -> dict[str, Any]:
    model = sharded(seeded(Transformer), mesh_of(_everyone()))
    found = {}
    cases: dict[str, dict[str, Any]] = {
        "lend": {"lend": False},
        "directions": {"directions": [{}, {}]},
        "batchnorm": {"batchnorm": "batch"},
        "distributed": {"distributed": False},
    }
    for name, options in cases.items():
        try:
            transformer_surface(model, **options)
        except ValueError as error:
            found[name] = str(error)
    return found


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "fsdp": _fsdp,
    "in_place": _in_place,
    "in_place_parallel": _in_place_parallel,
    "in_layers": _in_layers,
    "in_layers_of_four": _in_layers_of_four,
    "replicas": _replicas,
    "tensor_parallel": _tensor_parallel,
    "both": _both,
    "used_before": _used_before,
    "options": _options,
    "fails": _fails_everywhere,
    "fails_in_one": _fails_in_one,
    "fails_inside": _fails_inside,
    "abandoned": _abandoned,
    "refused": _refused,
}
