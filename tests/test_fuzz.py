"""Whatever comes in ends in a landscape or a documented error; and what is drawn at random equals the reference."""

import contextlib
import io
import itertools
import os
import random
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import fastscape
from cases import Case, reference_surface
from fastscape import Landscape, Plan
from fastscape.cli import main
from fastscape.weights.grid import axis
from fastscape.zoo import models
from fastscape.zoo.checkpoints import load_checkpoint, save_checkpoint
from fuzz_inputs import bytes_spoiled, make_good, npz_parts
from fuzzing import fuzzed
from tolerance import FLOAT64, assert_close

many = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
few = settings(many, max_examples=40)

LANDSCAPE = Landscape(
    np.linspace(-1, 1, 3),
    np.linspace(0, 1, 2),
    np.arange(6.0).reshape(3, 2),
    {"accuracy": np.ones((3, 2))},
    {"seed": 0},
)


@st.composite
def spoiled(draw, whole: bytes) -> bytes:
    """A file that is cut off, or in which some bytes are others."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    stop = draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    return bytes(content[:stop]) + draw(st.binary(max_size=8))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One good file of every kind, as bytes."""
    folder = tmp_path_factory.mktemp("good")
    model = models.build("mlp", in_channels=1, image_size=4, seed=0)
    save_checkpoint(model, folder / "a.safetensors", model_name="mlp", dataset_name="digits")
    Plan("loop", 2).save(folder / "a.json")
    LANDSCAPE.save(folder / "a.npz")
    for ending in ("csv", "h5"):
        LANDSCAPE.export(folder / f"a.{ending}")
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("ending", [".npz", ".csv", ".h5", ".safetensors", ".json"])
@pytest.mark.parametrize("foreign", [True, False])
def test_spoiled_and_foreign_files_are_refused_or_read(files, tmp_path, ending, foreign):
    load = {".safetensors": load_checkpoint, ".json": Plan.load}.get(ending, Landscape.load)
    file = tmp_path / f"a{ending}"

    @settings(few, max_examples=8 if ending == ".h5" else 40)  # which is read in a process of its own
    @given(st.binary(max_size=200) if foreign else spoiled(files[ending]))
    def check(content: bytes) -> None:
        file.write_bytes(content)
        with contextlib.suppress(ValueError):
            load(file)

    check()


def test_broken_and_hostile_inputs_end_as_documented(request):
    """Every reader and the command line, with a limit of time and memory on each; `make fuzz` tries many more."""
    count, seed = (request.config.getoption(f"--fuzz-{name}") for name in ("count", "seed"))
    assert not fuzzed(count, seed, shown=count > 1000)


def hang(path: Path) -> None:
    time.sleep(60)


def die(path: Path) -> None:
    os._exit(3)


def raise_another(path: Path) -> None:
    raise TypeError(path)


def raise_without_the_file(path: Path) -> None:
    raise ValueError


def quote_all_of_it(path: Path) -> None:
    raise ValueError(f"{path} holds {'a' * 1000}")


def take_long(path: Path) -> None:
    while True:
        pass


def take_much_memory(path: Path) -> None:
    np.ones(16 << 20).sum()  # little enough to be written in a fraction of the second that a reader has


FOUND = {
    ".json": (hang, "hangs"),
    ".csv": (die, "the process ended with 3"),
    ".npz": (raise_another, "TypeError"),
    ".safetensors": (raise_without_the_file, "ValueError without the file"),
    ".h5": (quote_all_of_it, "ValueError of 1007 letters"),
    "ubyte": (take_long, "too long"),
    "store": (take_much_memory, "too much memory"),
}


def test_the_harness_finds_what_it_looks_for():
    """Where a reader does just that: the first inputs of this seed are of all kinds."""
    pytest.importorskip("zarr")
    found = fuzzed(7, 543, readers={kind: reader for kind, (reader, _) in FOUND.items()})
    assert [finding.number for finding in found] == list(range(7))
    assert {finding.what for finding in found} == {what for _, what in FOUND.values()}
    for finding in found:
        assert finding.kind in ("?", *(kind for kind, (_, what) in FOUND.items() if what == finding.what))


def test_an_input_follows_from_its_seed_and_number(tmp_path):
    make_good(tmp_path)
    made = []
    for seed in (0, 0, 1):
        draw = random.Random(seed)
        content = (tmp_path / "plane.npz").read_bytes()
        made.append([bytes_spoiled(draw, content), npz_parts(draw, content)])
    assert made[0] == made[1] != made[2]


def test_the_files_are_good_when_nothing_is_spoiled(files, tmp_path):
    for ending in (".npz", ".csv", ".h5"):
        (tmp_path / f"a{ending}").write_bytes(files[ending])
        np.testing.assert_array_equal(Landscape.load(tmp_path / f"a{ending}").loss, LANDSCAPE.loss)


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=5), st.just(torch.zeros(2)),
    st.just(np.zeros(3)), st.lists(st.floats(-1, 1), max_size=3), st.just(object()),
    st.tuples(st.floats(), st.floats(), st.integers(-2, 4)),
    st.just(len), st.just(Plan("loop", 2)), st.just({"accuracy": fastscape.accuracy}),
)  # fmt: skip

NAMES = (
    "loss", "metrics", "objective", "x", "y", "directions", "scheme", "normalize", "perturb", "distribution", "seed",
    "batchnorm", "train_mode", "precision", "device", "plan", "low_memory",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@many
@given(st.dictionaries(st.sampled_from(NAMES), ODD, min_size=1, max_size=2))
def test_arguments_of_any_kind_end_in_a_landscape_or_a_documented_error(options):
    data = torch.rand(4, 3), torch.tensor([0, 1, 0, 1])
    grid = {"x": (0, 1, 2), "y": (0, 1, 2), "progress": False}
    with contextlib.suppress(TypeError, ValueError):
        found = fastscape.surface(nn.Linear(3, 2), data, **{**grid, **options})
        assert found.loss.shape == (len(found.x), len(found.y))


def shown(*arguments: str) -> tuple[int, str]:
    """How the command line ends, and what it says of errors."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["fastscape", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), err.getvalue()
    return 0, err.getvalue()


WORDS = st.one_of(
    st.sampled_from(
        ["--x", "--y", "--out", "--samples", "--seed", "--plan", "--log", "--metric", "-1", "0", "nan", "3", "a.npz",
         "a.csv", "missing.npz", "--help", "--device", "cuda:9", "--perturb", "some", "--", "é"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00/"), max_size=4),
)  # fmt: skip


COMMANDS = "info", "export", "surface", "line", "plot", "train", "unknown"


@pytest.mark.filterwarnings("ignore")
def test_any_command_line_ends_with_a_message_and_no_traceback(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for ending in (".npz", ".csv"):
        (tmp_path / f"a{ending}").write_bytes(files[ending])

    @few
    @given(
        st.sampled_from(["info", "export", "surface", "line", "plot", "train", "unknown"]), st.lists(WORDS, max_size=4)
    )
    def check(command: str, words: list[str]) -> None:
        code, said = shown(command, *words)
        assert code in (0, 2)
        assert "Traceback" not in said
        assert code == 0 or said

    check()


@st.composite
def cases(draw) -> Case:
    """A small network of any widths, its data, and what moves of it."""
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    samples = draw(st.integers(1, 9))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(draw(st.integers(0, 99)))
        layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.Tanh())]
        model, inputs = nn.Sequential(*layers), torch.randn(samples, widths[0])
        targets = torch.randn(samples, widths[-1])
    names = [name for name, _ in model.named_parameters()]
    some = draw(st.sets(st.sampled_from(names), min_size=1))
    perturb = draw(st.sampled_from(["weights", "weights+bias", "all", lambda name, p: name in some]))
    return Case(model, inputs, targets, F.mse_loss, draw(st.integers(1, 10)), perturb=perturb)


AXES = st.one_of(
    st.tuples(st.floats(-2, -0.1), st.floats(0, 2), st.integers(2, 4)),
    st.lists(st.floats(-2, 2), min_size=1, max_size=3, unique=True).map(sorted),
)


@pytest.mark.filterwarnings("ignore:the loss is the same at every point")
@many
@given(
    case=cases(), x=AXES, y=AXES, seed=st.integers(0, 2**64 - 1), chunk=st.integers(1, 8), batch=st.integers(1, 9),
    batching=st.sampled_from(["loop", "vmap"]),
)  # fmt: skip
def test_what_is_drawn_at_random_equals_the_reference(case, x, y, seed, chunk, batch, batching):
    data = list(zip(case.inputs.split(batch), case.targets.split(batch), strict=True))
    plan = Plan(batching, chunk, case.microbatch)
    found = fastscape.surface(
        case.model, data, **case.options, x=x, y=y, seed=seed, precision="float64", plan=plan, progress=False
    )
    coordinates = axis("x", x), axis("y", y)
    truth = reference_surface(case, *coordinates, dtype=torch.float64, seed=seed)
    np.testing.assert_allclose(found.loss, truth, rtol=FLOAT64, atol=1e-12)
    if truth.size > 1 and np.ptp(truth) > 1e-6:
        assert_close(found.loss, truth, FLOAT64)
