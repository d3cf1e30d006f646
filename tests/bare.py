"""Checks what a wheel without extras says about missing packages: `ENVIRONMENT/bin/python tests/bare.py`.

Each message must name the extra that brings the package. Extras whose packages are there are listed, not checked.
"""

import importlib.util
import os
import sys
import tempfile

import torch

import fastscape

MODEL, DATA = torch.nn.Linear(4, 3), (torch.randn(20, 4), torch.randint(3, (20,)))
AXIS = {"x": (-1, 1, 5), "y": (-1, 1, 5), "progress": False}


def recorder(package: str) -> None:
    """The callback for a package of trainings."""
    importlib.import_module(f"fastscape.training.{package}").RecorderCallback("run")


def main() -> None:
    """Tries every extra in an empty folder."""
    os.chdir(tempfile.mkdtemp(prefix="fastscape-"))
    plane = fastscape.surface(MODEL, DATA, **AXIS)
    tries = [
        ("store", "zarr", lambda: fastscape.surface(MODEL, DATA, store="run.zarr", **AXIS)),
        ("xarray", "xarray", plane.to_xarray),
        ("hdf5", "h5py", lambda: plane.export("plane.h5")),
        ("paraview", "pyvista", lambda: plane.export("plane.vts")),
        ("topology", "gudhi", lambda: plane.topology(dimensions=(0, 1))),
        ("topology", "gudhi", lambda: plane.topology().distance(plane.topology())),
        ("training", "lightning", lambda: recorder("lightning")),
        ("training", "transformers", lambda: recorder("transformers")),
    ]
    checked = failed = 0
    for extra, package, call in tries:
        if importlib.util.find_spec(package):
            print(f"{package} is installed: not checked")
            continue
        checked += 1
        try:
            call()
            said = "nothing"
        except ImportError as error:
            said = str(error)
        named = f"pip install 'torch-fastscape[{extra}]'" in said
        failed += not named
        print(f"{'ok' if named else 'FAILED'}: {package}: {said}")
    print(f"{checked - failed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
