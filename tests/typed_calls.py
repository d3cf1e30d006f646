"""Calls as a user types them: a type checker knows every option by name and type. `make types` reads this file.

An error that the checker does not see makes its `type: ignore` superfluous, which is an error too.
"""

import torch
from torch import nn

import fastscape


def accepted(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> fastscape.Landscape:
    landscape = fastscape.surface(
        model, data, x=(-1.0, 1.0, 5), y="auto", metrics={"accuracy": fastscape.accuracy}, tolerance_scale="linear",
        batchnorm="recalibrate", plan=fastscape.Plan("loop", 4), progress=lambda found: None, perturb="all",
    )  # fmt: skip
    fastscape.line(model, data, to=model, target_standard_error=0.1, stream_samples=10, precision="float64")
    fastscape.line(model, data, to=model.state_dict()).reproduce(model, data, to=model)
    fastscape.surface(model=model, data=data, directions=[model, torch.zeros(3)], scheme="barycentric")
    sharp = fastscape.sharpness(model, data, measures=["trace"], rho=0.1, radii=[0.1], precision="float64")
    print(sharp.beside(sharp, names=["a", "b"]), sharp["trace"].value + 1, sharp["trace"].invariant_to)
    found = fastscape.barrier(model, model.state_dict(), data, points=5, batchnorm="recalibrate", perturb="all")
    print(found.beside(found), found.value + 1, found["loss"].lowest.at + 1, found.line.shape)
    fastscape.barriers({"a": model, "b": "b.pt"}, data, metrics={"accuracy": fastscape.accuracy}).plot(which="lowest")
    fastscape.barriers([model, model], data).between("A", "B").plot(measures="loss")
    curve = fastscape.connect(
        model, model.state_dict(), data, curve="band", bends=3, optimizer=lambda p: torch.optim.Adam(p, lr=1e-3)
    )
    fastscape.line(model, data, along=fastscape.Curve.load(curve.save("curve.safetensors")), x=(0.0, 1.0, 5))
    fastscape.surface(model, data, directions=curve.plane(points=9)).reproduce(model, data)
    aligned = fastscape.align(model, data, to=model.state_dict(), method="activations", restarts=1)
    print(aligned, aligned.model, aligned.permutations["0.weight[0]"].index.sum(), aligned.error < 1e-9)
    basin = fastscape.basin_radius(model, data, measure="accuracy", metrics={"accuracy": fastscape.accuracy}, drop=0.1)
    print(basin.median.low + 1, basin.quantile(0.1, unit="relative").high, basin.radii.sum(), basin.summary().upper())
    landscape.contour(levels=3)
    fastscape.compare([landscape], kind="surface3d", elevation=20.0)
    fastscape.animate(landscape, landscape.descend((0.0, 0.0)), interval=50, metric="accuracy")
    return landscape.reproduce(model, data, loss=nn.functional.mse_loss, device="cpu")


def refused(model: nn.Module, data: tuple[torch.Tensor, torch.Tensor], landscape: fastscape.Landscape) -> None:
    fastscape.surface(model, data, toleranse=0.1)  # type: ignore[call-arg]
    fastscape.surface(model, data, tolerance="small")  # type: ignore[arg-type]
    fastscape.surface(model, data, precision="float8")  # type: ignore[arg-type]
    fastscape.line(model, data, y=(0, 1, 2))  # type: ignore[call-arg]
    fastscape.sharpness(model, data, radius=0.1)  # type: ignore[call-arg]
    fastscape.basin_radius(model, data, store="run.zarr")  # type: ignore[call-arg]
    fastscape.barrier(model, model, data, x=(0, 1, 5))  # type: ignore[call-arg]
    fastscape.barriers([model], data, points="many")  # type: ignore[arg-type]
    fastscape.align(model, data, to=model, method="magic")  # type: ignore[arg-type]
    landscape.reproduce(model, data, seed=1)  # type: ignore[call-arg]
    fastscape.connect(model, model, data, curve="circle")  # type: ignore[arg-type]
    fastscape.connect(model, model, data, to=model)  # type: ignore[call-arg]
    fastscape.compare([landscape], colour="red")  # type: ignore[call-arg]
