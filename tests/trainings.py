"""Recordings that tests write themselves, line by line, and planes by a way of their own."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from fastscape.weights import FORMAT, INDEX, VERSION


def record(
    folder: Path, tensors: list[dict], measures: list[dict] | None = None, steps: list[int] | None = None
) -> Path:
    """Writes a recording as its format is described: complex tensors as pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [{"format": FORMAT, "version": VERSION}]
    for k, one in enumerate(tensors):
        step = steps[k] if steps else 10 * k
        pairs = [name for name, t in one.items() if t.is_complex()]
        real = {
            n: (torch.view_as_real(t) if t.is_complex() else t).detach().contiguous().clone() for n, t in one.items()
        }
        file = folder / f"step-{step:012d}.safetensors"
        save_file(real, file, {"complex": json.dumps(pairs)} if pairs else None)
        row = {"step": step, "file": file.name, "bytes": file.stat().st_size}
        lines.append(row | {"measures": measures[k] if measures else {}})
    (folder / INDEX).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def flat(tensors: dict, names: list[str]) -> torch.Tensor:
    """Some tensors as one float64 vector, in the order of the model."""
    parts = [tensors[name].detach() for name in names]
    return torch.cat([(torch.view_as_real(t) if t.is_complex() else t).double().reshape(-1) for t in parts])


def written(found, layout) -> dict[str, torch.Tensor]:
    """The directions that a source gives [K, ...], in float64, as tensors of the model, written at once."""
    rows = torch.full((len(found.writers), layout.size), torch.nan, dtype=torch.float64)
    found.together(rows)
    alone = torch.full_like(rows, torch.nan)
    for row, write in zip(alone, found.writers, strict=True):
        write(out=row)
    torch.testing.assert_close(rows, alone, rtol=1e-12, atol=1e-14)
    return layout.unflatten(rows)


def axes_of(found, layout) -> torch.Tensor:
    """The directions as rows [K, P] in the order of `flat`."""
    tensors = written(found, layout)
    return torch.stack([flat({n: t[k] for n, t in tensors.items()}, list(tensors)) for k in range(len(found.writers))])
