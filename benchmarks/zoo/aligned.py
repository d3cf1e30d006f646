"""Aligns networks of timm and transformers with random weights, and checks by plain code that they stay the same.

python -m benchmarks.zoo.aligned --kind timm --only test_vit
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import fastscape
from benchmarks.zoo.__main__ import ROOT, _about, _networks
from benchmarks.zoo.law import _double
from benchmarks.zoo.network import Network, seeded
from benchmarks.zoo.page import wrapped

RESULTS, PAGE = ROOT / "benchmarks" / "results" / "aligned.json", ROOT / "docs" / "aligned.md"
WANTED = {"timm": 40, "transformers": 15}
TOLERANCE, NARROW = 1e-9, 1e-3  # of the outputs' scale; where a network itself computes in float32
WORDS = 160  # characters of a message
MOST = 4_000_000  # parameters


def main(arguments: list[str] | None = None) -> int:
    """Aligns, reports, and returns 1 where a network that was given out computes something else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo.aligned", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks, whatever their number")
    parser.add_argument("--kind", choices=list(WANTED), help="of this package alone")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the results go; then no page is made")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    whole = not (options.only or options.kind or options.json)
    out = options.json or (RESULTS if whole else None)
    results: dict[str, Any] = {**_about(), "networks": []}
    for kind in [options.kind] if options.kind else WANTED:
        for network in _chosen(kind, options.only):
            row = aligned(network)
            results["networks"].append(row)
            print(told(row), flush=True)
            if out is not None:
                out.write_text(json.dumps(results, indent=1) + "\n")
    if whole:
        PAGE.write_text(page(results))
    return int(any(row["word"] == "WRONG" for row in results["networks"]))


def _size(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.built().parameters())


def _chosen(kind: str, only: list[str] | None) -> Iterator[Network]:
    """Networks of one package: those that are named, or as many as are wanted, spread over all that are small."""
    every = _networks(kind)
    if only:
        yield from (network for network in every if network.name in only)
        return
    every = [n for n in every if _size(n) <= MOST]
    step = len(every) / WANTED[kind]
    yield from (every[int(at * step)] for at in range(WANTED[kind]))


def aligned(network: Network) -> dict[str, Any]:
    """What came of one network, as plain values.

    Args:
        network: The network.

    Returns:
        Its name, the verdict, and what is known of its permutations.
    """
    started = time.process_time()
    row: dict[str, Any] = {"name": network.name, "kind": network.kind, "word": "refused", "said": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the networks' own packages
        b, a = drawn(network, 1), drawn(network, 2)
        row["parameters"] = sum(p.numel() for p in b.parameters())
        options: dict[str, Any] = {} if network.objective is None else {"objective": network.objective}
        try:
            found = fastscape.align(b, network.batches(), to=a, restarts=1, progress=False, **options)
        except ValueError as error:
            row |= {"said": str(error)[:WORDS]}
        except Exception as error:
            row |= {"word": "crashed", "said": f"{type(error).__name__}: {error}"[:WORDS]}
        else:
            row |= _judged(network, b, found)
    return {**row, "seconds": time.process_time() - started}


def drawn(network: Network, seed: int) -> nn.Module:
    """A network whose weights and statistics are all random: units that are alike would hide a wrong order.

    Every tensor has the numbers of the constructor, in an order of its own, and noise.
    """
    model = network.built().eval()
    seeded(100 + seed)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point() and tensor.numel() > 1:
                spread = float(tensor.double().std())
                drawn_again = tensor.flatten()[torch.randperm(tensor.numel())].reshape(tensor.shape)
                tensor.copy_(drawn_again + torch.randn_like(tensor) * (0.1 * spread + 0.02))
        for module in model.modules():
            if isinstance(getattr(module, "running_var", None), Tensor):
                module.running_var.abs_().add_(0.1)
    return model


def _judged(network: Network, b: nn.Module, found: fastscape.Alignment) -> dict[str, Any]:
    """What plain code says of an alignment."""
    before, after = _outputs(network, b), _outputs(network, found.model)
    errors = [_error(one, other) for one, other in zip(before, after, strict=True)]
    narrow = any(tensor.dtype == torch.float32 for tensor in before)
    worst = max(errors, default=math.inf)
    moved = [one for one in found.permutations.values() if one.moved]
    same = all(torch.equal(one.flatten().sort()[0], other.flatten().sort()[0]) for one, other in
               zip(b.state_dict().values(), found.model.state_dict().values(), strict=True)
               if isinstance(one, Tensor) and one.is_floating_point())  # fmt: skip
    limit = TOLERANCE if worst <= TOLERANCE else NARROW
    right = same and worst <= limit
    return {
        "word": "proved" if right else "WRONG",
        "error": worst,
        "float32": narrow or worst > TOLERANCE,
        "permutations": len(found.permutations),
        "moved": len(moved),
        "axes": sum(len(one.axes) for one in found.permutations.values()),
        "before": found.distance_before,
        "after": found.distance_after,
        "not_understood": dict(found.not_understood),
    }


def _outputs(network: Network, model: nn.Module) -> list[Tensor]:
    """All that a plain call gives, and the loss."""
    model = copy.deepcopy(model).double().eval()
    found: list[Tensor] = []
    hook = model.register_forward_hook(lambda _module, _args, made: found.extend(
        leaf.detach().clone() for leaf in tree_leaves(made) if isinstance(leaf, Tensor)))  # fmt: skip
    with torch.no_grad():
        for number, batch in enumerate(network.batches()):
            seeded(number)
            found.append(network.loss(model, _double(batch)))
    hook.remove()
    return found


def _error(one: Tensor, other: Tensor) -> float:
    if one.shape != other.shape or not one.is_floating_point():
        return 0.0 if one.shape == other.shape and torch.equal(one, other) else math.inf
    scale = float(one[one.isfinite()].abs().max()) if one.isfinite().any() else 0.0
    same = (one == other) | (one.isnan() & other.isnan())
    return float((one - other).abs()[~same].max()) / max(scale, 1e-300) if not same.all() else 0.0


def told(row: dict[str, Any]) -> str:
    """The line that is shown of one network."""
    head = f"{row['name']:<36} {row['seconds']:6.1f} s  {row['word']}"
    if "permutations" not in row:
        return f"{head}: {row['said']}"
    odd = ", ".join(f"{name} {count}" for name, count in row["not_understood"].items())
    distance = f"{row['before']:.4g} -> {row['after']:.4g}"
    return f"{head} to {row['error']:.0e}, {row['permutations']} permutations, {distance}" + (
        f" ({odd})" if odd else ""
    )


def page(results: dict[str, Any]) -> str:
    """The page with everything that was aligned."""
    rows = results["networks"]
    words = ", ".join(f"{count} {word}" for word, count in Counter(row["word"] for row in rows).items())
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [
        "# Networks that were aligned",
        "",
        *wrapped(
            "Does `fastscape.align` keep what your architecture computes? The command below checks it on networks of "
            "timm and transformers with random weights, and writes this page."
        ),
        "",
        "```bash",
        "make aligned",
        "```",
        "",
        *wrapped(f"Of {len(rows)} networks: {words}. Each network is aligned to a second network of the same kind."),
        "",
        *wrapped(
            "- **Proved**: plain code calls copies of the network before and after, in double precision, on the "
            "same batches. The loss and all tensors that the copies return must agree to the given fraction of their "
            f"scale, at most {TOLERANCE:g}. Networks with `*` compute in float32 themselves, and must agree to "
            f"{NARROW:g}. Every tensor must hold the same numbers in a different order."
        ),
        "- **permutations** are orders of units that can be chosen.",
        "- **axes** are the axes of tensors on which the permutations act.",
        "- **not understood** are operations whose operands stay as they are.",
        "",
        f"{versions}; Python {results['python']}; {results['date']}.",
    ]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        lines += ["", f"## {kind}", "", "| network | parameters | verdict | permutations | axes | not understood |"]
        lines.append("|---" * 6 + "|")
        lines += [_line(row) for row in rows if row["kind"] == kind]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    if "permutations" not in row:
        return f"| {row['name']} | {row['parameters']:,} | {row['word']}: {row['said']} | - | - | - |"
    mark = "*" if row["float32"] else ""
    odd = ", ".join(f"{name} ({count})" for name, count in row["not_understood"].items()) or "-"
    verdict = f"{row['word']} to {row['error']:.0e}"
    return (
        f"| {row['name']}{mark} | {row['parameters']:,} | {verdict} | {row['permutations']} | {row['axes']} | {odd} |"
    )


if __name__ == "__main__":
    sys.exit(main())
