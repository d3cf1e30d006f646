"""Broken and hostile inputs: good files of every kind, and what is done to them, byte by byte and part by part.

Each input follows from a seed and a number alone.
"""

import copy
import io
import json
import random
import shutil
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from torch import nn

import fastscape
from fastscape import Landscape, Plan
from fastscape.zoo import models
from fastscape.zoo.checkpoints import save_checkpoint

try:
    import zarr
except ImportError:  # with Python 3.10
    zarr = None

OLD = Path(__file__).parent / "written_by_0_1"
STORES = ["blocks.zarr", "finished.zarr", "parts.zarr", "rounds.zarr"]

X, Y = np.linspace(-1, 1, 5), np.linspace(0, 1, 4)
LOSS = np.arange(20.0).reshape(5, 4) / 7
REPORT = {
    "seed": 0, "model": "Net", "labels": ["d1", "d2"], "marks": {"the model": [0.0, 0.0], "b": [1.0, 0.5]},
    "paths": [
        {"name": "sgd", "points": [[0.0, 0.0], [1.0, 0.5]]},
        {"name": "adam", "points": [[0.0, 0.5], [0.5, 0.5]], "steps": [0.0, 5.0], "off_plane": [1.5, 0.5],
         "loss": [2.5, 0.5], "height": [2.0, 0.5], "measures": {"epoch": [0.0, 1.0], "val/loss": [3.0, 1.0]}},
    ],
    "plane": {"kind": "pca", "orthonormal": True, "explained": [0.75, 0.125]}, "plan": {"chunk": 4}, "samples": 8,
    "standard_error": {"median": 0.1, "largest": 0.2},
    "refinement": {"rms": 0.1, "at_most": 0.2, "tolerance": 0.1, "widest_gap": 2, "met": True, "scale": "log10",
                   "metrics_rms": {"accuracy": 0.1}, "rounds": 2},
}  # fmt: skip


class Input(NamedTuple):
    """What is read.

    Args:
        path: The file or folder.
        exact: Whether, where it is read at all, what is read must be what the good one holds: it is spoiled in its
            bytes, and its format has checksums.
        good: The good one.
    """

    path: Path
    exact: bool
    good: Path


# ---------------------------------------------------------------------------------------- good files


def plane() -> Landscape:
    known = np.ones((5, 4), bool)
    known[2, 2] = False
    return Landscape(X, Y, LOSS, {"accuracy": 1 - LOSS / 3}, REPORT, LOSS / 9, known)


def line() -> Landscape:
    return Landscape(X, None, LOSS[:, 0], {"accuracy": LOSS[:, 1]}, {"seed": 1, "labels": ["to"]})


def make_good(folder: Path) -> None:
    """Writes good files of every kind; done once."""
    for name, landscape in {"plane": plane(), "line": line()}.items():
        landscape.save(folder / f"{name}.npz")
        for ending in ("csv", "h5"):
            landscape.export(folder / f"{name}.{ending}")
    plane().topology(dimensions=(0, 1), threshold=0).save(folder / "plane.npz.npz").rename(folder / "plane.topology")
    for path in OLD.iterdir():
        if path.is_file() and path.suffix != ".json":
            shutil.copy(path, folder / f"old-{path.name}")
    Plan("loop", 2).save(folder / "a.json")
    for name in ("mlp", "resnet8"):
        model = models.build(name, in_channels=1, image_size=4 if name == "mlp" else 28, seed=0)
        save_checkpoint(model, folder / f"{name}.safetensors", model_name=name, dataset_name="digits")
    images, labels = np.arange(2 * 784, dtype=np.uint8), np.array([3, 1], np.uint8)
    for part in ("train", "t10k"):
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, 2, 28, 28) + images.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, 2) + labels.tobytes())
    if zarr is not None:
        for name in STORES:
            shutil.copytree(OLD / name, folder / f"old-{name}")
        _make_stores(folder)


def _make_stores(folder: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model, data = nn.Linear(3, 2), (torch.rand(4, 3), torch.tensor([0, 1, 0, 1]))
    options: dict[str, Any] = {"x": (-1, 1, 5), "y": (0, 1, 4), "plan": Plan("loop", 4), "progress": False}
    fastscape.surface(model, data, **options, store=folder / "whole.zarr", metrics={"accuracy": fastscape.accuracy})
    calls = []

    def stopping(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) > 14:
            raise KeyError
        return nn.functional.cross_entropy(outputs, targets)

    with warnings.catch_warnings(), suppress(KeyError):
        warnings.simplefilter("ignore")
        fastscape.surface(model, data, **options, store=folder / "begun.zarr", loss=stopping)


# ---------------------------------------------------------------------------------------- bytes

WORDS = [
    b"\x00" * 8,
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80",
    b"\x00\x00\x00\x80",
    b"\x01",
    b"[",
]


def bytes_spoiled(draw: random.Random, content: bytes) -> bytes:
    """Some bytes are others, left out, doubled or put in."""
    spoiled = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        at = draw.randrange(len(spoiled) + 1)
        end = min(at + draw.choice((1, 2, 8, 64, 1000)), len(spoiled))
        what = draw.randrange(7)
        if what == 0 and at < len(spoiled):
            spoiled[at] ^= 1 << draw.randrange(8)
        elif what == 1 and at < len(spoiled):
            spoiled[at] = draw.randrange(256)
        elif what == 2:
            word = draw.choice(WORDS)
            spoiled[at : at + len(word)] = word
        elif what == 3:
            del spoiled[at:end]
        elif what == 4:
            spoiled[at:at] = spoiled[at:end]
        elif what == 5:
            spoiled[at:at] = draw.randbytes(draw.choice((1, 4, 100)))
        else:
            del spoiled[at:]
    return bytes(spoiled)


# ---------------------------------------------------------------------------------------- JSON

NAMES = [
    "", "x", "y", "z", "loss", "report", "header", "constructor", "__proto__", "\x00", "é", "a/b", "..", "a" * 5000,
    "evaluated", "standard_error", "values", "lr", "0", "labels", "marks", "paths", "refinement",
]  # fmt: skip


def odd(draw: random.Random) -> Any:
    """A value that nobody expects."""
    deep: Any = 0
    for _ in range(draw.choice((3, 90, 110, 250))):
        deep = [deep] if draw.random() < 0.9 else {"a": deep}
    return draw.choice([
        None, True, False, 0, -1, 1, 3, 7, 2**31, 2**63, 10**12, 10**30, -(10**12), 0.5, 1e308, 5e-324, float("nan"),
        float("inf"), -float("inf"), "", "3", "nan", "loss", "a" * 10_000, [], {}, [None], [0, 0], [[]], {"": None},
        ["x"], ["x", "x"], [1e999, 2], list(range(300)), {str(k): k for k in range(300)}, deep, draw.choice(NAMES),
    ])  # fmt: skip


def json_spoiled(draw: random.Random, value: Any) -> Any:
    """Plain values in which some are others, have other names, are doubled or left out."""
    value = copy.deepcopy(value)
    for _ in range(draw.choice((1, 1, 2, 4))):
        places = list(_places(value))
        if not places or draw.random() < 0.02:
            return odd(draw)
        holder, key = draw.choice(places)
        what = draw.random()
        if what < 0.5:
            holder[key] = odd(draw)
        elif what < 0.65:
            del holder[key]
        elif what < 0.75 and isinstance(holder, dict):
            holder[draw.choice(NAMES)] = holder.pop(key)
        elif what < 0.85 and isinstance(holder[key], int | float):
            holder[key] = draw.choice([-holder[key], holder[key] * 10**9, str(holder[key]), float(holder[key])])
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        else:
            holder[draw.choice(NAMES)] = copy.deepcopy(holder[key])
    return value


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def json_text(draw: random.Random, value: Any) -> str:
    """JSON, in which now and then a part of the text itself is odd."""
    text = json.dumps(json_spoiled(draw, value))
    if draw.random() < 0.1:
        part = draw.choice(
            ["[" * 100_000, '{"a":' * 50_000, "1" * 5000, "1e999", "-", '"', "\ud800", "NaN", "[],", "\x00"]
        )
        at = draw.randrange(len(text) + 1)
        text = text[:at] + part + text[at + draw.choice((0, 0, 3)) :]
    return text


# ---------------------------------------------------------------------------------------- .npz


def npz_parts(draw: random.Random, content: bytes) -> bytes:
    """An archive in which the header, the arrays or what is declared of them are others."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    for _ in range(draw.choice((1, 1, 2))):
        at = draw.randrange(len(members))
        name, npy = members[at]
        what = draw.randrange(8)
        if name == "header.npy" and what < 6:
            with suppress(ValueError, RecursionError):  # it may be spoiled already
                header = json.loads(str(np.load(io.BytesIO(npy))))
                members[at] = name, _npy(np.array(json_text(draw, header)))
        elif what < 2:
            with suppress(ValueError, MemoryError):  # it may be spoiled already
                members[at] = name, _npy(_odd_array(draw, np.load(io.BytesIO(npy))))
        elif what < 4:
            members[at] = name, _declared(draw, npy)
        elif what == 4:
            members[at] = f"{draw.choice(NAMES)}.npy", npy
        elif what == 5:
            del members[at]
        elif what == 6:
            members.append((draw.choice([name, f"{draw.choice(NAMES)}.npy"]), npy))
        else:
            members[at] = name, bytes_spoiled(draw, npy)
        if not members:
            break
    return _zipped(draw, members)


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=False)
    return content.getvalue()


def _odd_array(draw: random.Random, array: np.ndarray) -> np.ndarray:
    number = draw.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, 1.0])
    spoiled = array.astype(float) if array.dtype.kind in "fb" else array
    if spoiled.size and spoiled.dtype.kind == "f":
        spoiled = spoiled.copy()
        spoiled.flat[draw.randrange(spoiled.size)] = number
    kinds = ["f4", "f2", "i8", "u1", "?", "c16", "U5", "S5", "M8[s]", "f8,i4", ">f8", "g"]
    return draw.choice([
        lambda: spoiled, lambda: array[None], lambda: array.ravel(), lambda: array[..., 0] if array.ndim else array,
        lambda: array[:0], lambda: np.repeat(array, 3), lambda: array.T, lambda: array.astype(draw.choice(kinds)),
        lambda: np.zeros(draw.choice([0, 1, 5, 5, 5, 500_000])), lambda: array[::-1] if array.ndim else array,
    ])()  # fmt: skip


def _declared(draw: random.Random, npy: bytes) -> bytes:
    """An array whose header declares something else."""
    shape = draw.choice([
        "(400000000,)", "(2, 1000000, 1000000)", "(-1,)", "()", "(5, 4)", "(5.0,)", "(True,)", "(10**9,)", "None",
        "(9" * 500, f"({'1,' * 3000})", "(0, 99999999999999999999)", f"({2**63},)", "('5',)",
    ])  # fmt: skip
    kind = draw.choice(["'<f8'", "'<f8'", "'|O'", "'<U400000000'", "'>f8'", "[('a', '<f8')]", "'|V8'", "'|b1'", "3"])
    order = draw.choice(["False", "False", "True", "0"])
    header = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    length = draw.choice([len(header), len(header), 0, 0xFFFF])
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", length)
    if draw.random() < 0.2:
        start = b"\x93NUMPY" + bytes([draw.randrange(4), draw.randrange(2)]) + struct.pack("<I", length)
    return start + header + npy[128:]


def _zipped(draw: random.Random, members: list[tuple[str, bytes]]) -> bytes:
    content = io.BytesIO()
    kind = draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    with warnings.catch_warnings(), suppress(ValueError, IndexError):
        warnings.simplefilter("ignore")  # of a name that is there twice
        with zipfile.ZipFile(content, "w", kind) as archive:
            for name, npy in members:
                info = zipfile.ZipInfo(name)  # of no date: an input follows from its number alone
                info.compress_type = kind
                archive.writestr(info, npy)
    whole = bytearray(content.getvalue())
    if draw.random() < 0.2:  # the directory says other sizes
        starts = [at for at in range(len(whole) - 46) if whole[at : at + 4] == b"PK\x01\x02"]
        if starts:
            at = draw.choice(starts) + draw.choice((20, 24, 42, 10, 8))
            whole[at : at + 4] = struct.pack("<I", draw.choice([0, 1, 100, 2**20, 2**31 - 1, 2**32 - 2]))
    return bytes(whole)


# ---------------------------------------------------------------------------------------- .h5


def h5_parts(draw: random.Random, content: bytes) -> bytes:
    """A file in which data sets, their kinds or what is declared of them are others."""
    spoiled = io.BytesIO(content)
    with suppress(ValueError, OSError, TypeError, KeyError, RuntimeError), h5py.File(spoiled, "r+") as file:
        for _ in range(draw.choice((1, 1, 2, 3))):
            name = draw.choice([*file, *NAMES[1:7], "other"])
            if draw.random() < 0.3:
                report = json.loads(str(file.attrs.get("report", "{}")))
                file.attrs["report"] = draw.choice([
                    lambda report=report: json_text(draw, report), lambda: 3, lambda: "3", lambda: [1.0, 2.0],
                    lambda: np.zeros(3), lambda: h5py.Empty("f8"), lambda: "[" * 100_000, lambda: "a",
                ])()  # fmt: skip
                continue
            known = name in file and isinstance(file[name], h5py.Dataset) and (file[name].size or 0) < 1000
            before = file[name][()] if known else np.ones(3)
            if name in file:
                del file[name]
            _data_set(draw, file, name, np.asarray(before))
    return spoiled.getvalue()


def _data_set(draw: random.Random, file: Any, name: str, before: np.ndarray) -> None:
    huge = draw.choice([(400_000_000,), (30_000, 20_000), (10**12,), (5, 10**9), before.shape])
    packed = {"compression": "gzip", "chunks": tuple(min(n, 1000) or 1 for n in huge)}
    kinds = ["f4", "i8", "u1", "?", "c16", "S5", h5py.string_dtype(), "f8,i4", h5py.vlen_dtype("f8"), ">f8"]
    draw.choice([
        lambda: file.create_dataset(name, data=_odd_array(draw, before)),
        lambda: file.create_dataset(name, shape=huge, dtype="f8"),
        lambda: file.create_dataset(name, shape=huge, dtype="f8", **packed),
        lambda: file.create_dataset(name, shape=huge, dtype="f8", fillvalue=1.0, **packed),
        lambda: file.create_dataset(name, data=np.zeros(500_000), compression="gzip", chunks=True),
        lambda: file.create_dataset(name, data=before, chunks=before.shape, compression="gzip", shuffle=True),
        lambda: file.create_dataset(name, data=before, chunks=before.shape, maxshape=(None,) * before.ndim),
        lambda: file.create_dataset(name, shape=before.shape, dtype=draw.choice(kinds)),
        lambda: file.create_dataset(name, shape=(5, 4), external=[("/dev/zero", 0, 10_000)], dtype="f8"),
        lambda: file.create_group(name),
        lambda: file.__setitem__(name, h5py.SoftLink(draw.choice(["/train_loss", "/nowhere", f"/{name}"]))),
        lambda: file.__setitem__(name, h5py.ExternalLink(draw.choice(["plane.h5", "/dev/zero"]), "train_loss")),
        lambda: file.__setitem__(name, h5py.Empty("f8")),
        lambda: file.__setitem__(name, "text"),
        lambda: _virtual(file, name, huge),
        lambda: _bomb(file, name, before),
    ])()  # fmt: skip


def _virtual(file: Any, name: str, shape: tuple[int, ...]) -> None:
    layout = h5py.VirtualLayout(shape=shape, dtype="f8")
    file.create_virtual_dataset(name, layout, fillvalue=0.0)


def _bomb(file: Any, name: str, before: np.ndarray) -> None:
    """A part that unpacks to 64 MB, where some numbers are declared."""
    data = file.create_dataset(name, shape=before.shape, dtype="f8", chunks=before.shape, compression="gzip")
    data.id.write_direct_chunk((0,) * before.ndim, BOMB)


BOMB = zlib.compress(bytes(1 << 26), 9)

# ---------------------------------------------------------------------------------------- .csv

CELLS = [
    "nan",
    "inf",
    "-inf",
    "1e999",
    "",
    " ",
    "1,2",
    '"',
    '"1',
    "x",
    "é",
    "1_0",
    "0x1",
    "\uff19",
    "\x00",
    "1" * 400,
    "-0",
]


def csv_parts(draw: random.Random, content: bytes) -> bytes:
    """Rows and cells that are others, doubled, left out or in another order; or points that are no grid."""
    rows = [line.split(",") for line in content.decode().split("\r\n")]
    if draw.random() < 0.1:
        count = draw.choice([10, 3000, 10_000])
        scattered = [[str(draw.random()), str(draw.random()), "1.0"] for _ in range(count)]
        rows = [["x", "y", "loss"], *scattered]
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(rows))
        what = draw.randrange(7)
        if what < 3:
            rows[at][draw.randrange(len(rows[at]))] = draw.choice([*CELLS, *NAMES, "0.0", rows[-2][-1]])
        elif what == 3:
            del rows[at]
        elif what == 4:
            rows.insert(at, rows[at] * draw.choice((1, 1, 2, 100)))
        elif what == 5:
            draw.shuffle(rows)
        else:
            rows[at] = rows[at][: draw.randrange(len(rows[at]) + 1)]
        if not rows or not all(rows):
            break
    end = draw.choice(["\r\n", "\r\n", "\n", "\r", "", "\n\n"])
    text = end.join(map(",".join, rows))
    return draw.choice(["", "", "\ufeff"]).encode() + text.encode(errors="replace")


# ---------------------------------------------------------------------------------------- checkpoints and plans

NETWORKS = [
    "resnet20000", "resnet999998", "resnet" + "9" * 400, "resnet8", "resnet20", "vgg13", "mnist-cnn", "mlp", "", "é",
    "resnet0", "resnet-2", "resnet9", "resnet8-noshort", "a" * 3000,
]  # fmt: skip
NUMBERS = [
    "0",
    "-1",
    "1",
    "3",
    "28",
    "99999999999",
    "9" * 400,
    "9" * 5000,
    "1e3",
    "",
    "nan",
    " 28",
    "2_8",
    "é",
    "100000",
]


def checkpoint_parts(draw: random.Random, content: bytes) -> bytes:
    """A header that names other networks, sizes and tensors."""
    (length,) = struct.unpack("<Q", content[:8])
    header, tensors = json.loads(content[8 : 8 + length]), content[8 + length :]
    facts = header["__metadata__"]
    what = draw.randrange(8)
    if what < 4:
        for _ in range(draw.choice((1, 2))):
            key = draw.choice(list(facts))
            facts[key] = draw.choice(NETWORKS if key == "model" else [*NUMBERS, *NAMES])
        text = json.dumps(header)
    elif what < 6:
        text = json_text(draw, header)
    else:
        name = draw.choice([name for name in header if name != "__metadata__"])
        entry = header[name]
        entry["dtype"] = draw.choice([entry["dtype"], "I32", "F16", "F64", "BOOL", "F8_E4M3", "U8", "C64", "X"])
        entry["shape"] = draw.choice([entry["shape"], entry["shape"][::-1], [0], [2**40], [-1], [], [1] * 100, ["a"]])
        for k in range(draw.choice((0, 0, 100, 3000))):
            header[f"more.{k}"] = {"dtype": "F32", "shape": [0], "data_offsets": [len(tensors)] * 2}
        text = json.dumps(header)
    packed = text.encode(errors="replace")
    said = draw.choice([len(packed)] * 8 + [0, 1, 2**31, 2**63, len(content)])
    return struct.pack("<Q", said) + packed + tensors


def plan_parts(draw: random.Random, content: bytes) -> bytes:
    """Another JSON."""
    return json_text(draw, json.loads(content)).encode(errors="replace")


# ---------------------------------------------------------------------------------------- stores


def store_spoiled(draw: random.Random, store: Path) -> bool:
    """Spoils a store; whether it was spoiled in the bytes of its numbers alone."""
    files = sorted(path for path in store.rglob("*") if path.is_file())
    headers = [path for path in files if path.name == "zarr.json"]
    numbers = [path for path in files if "c" in path.relative_to(store).parts]
    what = draw.random()
    if what < 0.3:
        path = draw.choice(numbers)
        path.write_bytes(bytes_spoiled(draw, path.read_bytes()))
        return True
    if what < 0.75:
        for path in draw.sample(headers, draw.choice((1, 1, 2))):
            path.write_text(_header(draw, path), encoding="utf-8", errors="replace")
    elif what < 0.8:
        path = draw.choice(headers)
        path.write_bytes(bytes_spoiled(draw, path.read_bytes()))
    elif what < 0.87:
        draw.choice(files).unlink()
    elif what < 0.91:
        shutil.copy(draw.choice(numbers), draw.choice(numbers)) if len(numbers) < 2 else shutil.copy(
            *draw.sample(numbers, 2)
        )
    elif what < 0.94:
        draw.choice(files).rename(store / draw.choice(["a", "c", ".zarr.json.ab12.tmp", "x.partial"]))
    elif what < 0.97:
        path = draw.choice(files)
        path.unlink()
        path.mkdir()
    else:
        shutil.rmtree(draw.choice([path for path in store.iterdir() if path.is_dir()]))
    return False


def _header(draw: random.Random, path: Path) -> str:
    found = json.loads(path.read_text())
    if "shape" in found and draw.random() < 0.6:
        huge = draw.choice([400_000_000, 10**12, 2**63, 0, 1, 7, -1, 30_000])
        found["shape"] = [draw.choice([n, huge]) for n in found["shape"]]
        chunks = found["chunk_grid"]["configuration"]["chunk_shape"]
        if draw.random() < 0.5:
            found["chunk_grid"]["configuration"]["chunk_shape"] = [draw.choice([n, huge, 1]) for n in chunks]
        found["data_type"] = draw.choice(["float64"] * 5 + ["int8", "complex128", "string", "bool", "float32"])
        return json.dumps(found)
    return json_text(draw, found)


# ---------------------------------------------------------------------------------------- inputs

PARTS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    ".npz": npz_parts, ".csv": csv_parts, ".h5": h5_parts, ".safetensors": checkpoint_parts, ".json": plan_parts,
    "-ubyte": bytes_spoiled, ".topology": npz_parts,
}  # fmt: skip
CHECKED = {".npz", ".topology"}  # formats with a checksum of everything


def _parts_spoiled(ending: str, draw: random.Random, content: bytes) -> bytes:
    try:
        return PARTS[ending](draw, content)
    except Exception:  # what is spoiled a second time may be no file of its kind any more
        return bytes_spoiled(draw, content)


def spoiled_file(draw: random.Random, good: Path, folder: Path) -> Input:
    """A file that is not as it should be."""
    ending = good.suffix or "-ubyte"
    content = good.read_bytes()
    what = draw.random()
    if what < 0.4:
        spoiled = bytes_spoiled(draw, content)
    elif what < 0.95:
        spoiled = _parts_spoiled(ending, draw, content)
    elif what < 0.97:
        spoiled = draw.randbytes(draw.choice((0, 1, 20, 3000)))
    else:
        spoiled = bytes_spoiled(draw, _parts_spoiled(ending, draw, content))
    path = folder / f"a{draw.choice(['.npz', '.csv', '.h5', '', '.hdf5']) if draw.random() < 0.03 else ending}"
    path.write_bytes(spoiled)
    return Input(path, what < 0.4 and {ending, path.suffix} <= CHECKED, good)


def spoiled_store(draw: random.Random, good: Path, folder: Path) -> Input:
    """A store that is not as it should be."""
    path = folder / draw.choice(["a.zarr", "a.zarr", "a.npz"])
    shutil.copytree(good, path)
    exact = '"checks"' in (good / "zarr.json").read_text()  # version 0.1 wrote none
    for _ in range(draw.choice((1, 1, 1, 2))):
        with suppress(
            IndexError, OSError, ValueError, KeyError, TypeError, RecursionError
        ):  # it may be spoiled already
            exact = store_spoiled(draw, path) and exact
    return Input(path, exact, good)


def kinds(folder: Path) -> dict[str, list[Callable[[random.Random, Path], Input]]]:
    """What makes inputs of each kind.

    Args:
        folder: Of the good files.
    """
    found: dict[str, list[Callable[[random.Random, Path], Input]]] = {}
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):  # locks of stores
        make = spoiled_store if path.is_dir() else spoiled_file
        kind = "store" if path.is_dir() else path.suffix or path.name.split("-")[-1]
        found.setdefault(kind, []).append(lambda draw, out, make=make, path=path: make(draw, path, out))
    return found
