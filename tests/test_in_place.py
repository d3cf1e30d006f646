"""lend=True with low_memory=True: points are made in the user's model, which is put back from where it is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from case_in_place import KINDS, SAMPLES, TARGETS, bits, loss
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.weights import NORMS, SURFACES
from tolerance import assert_close

DATA = SAMPLES, TARGETS
BATCHES = [(SAMPLES[:5], TARGETS[:5]), (SAMPLES[5:], TARGETS[5:])]
GRID = {"x": (-0.4, 0.5, 3), "y": (-0.5, 0.5, 3), "loss": loss, "progress": False, "seed": 3, "low_memory": True}
LENT = {"lend": True, **GRID}


def losses(outputs, targets):
    return F.cross_entropy(outputs, targets, reduction="none")


def both(make: Callable[[], nn.Module], data=DATA, **options):
    """The landscape in place, and that of a copy; the model is as it was afterwards."""
    model = make()
    before = bits(model)
    found = fastscape.surface(model, data, **{**LENT, **options})
    assert bits(model) == before
    options.pop("keep", None)
    return found, fastscape.surface(make(), data, **{**GRID, **options})


@pytest.mark.parametrize(
    ("name", "keep"), [*((name, "disk") for name in KINDS), ("normalised", "device"), ("complex", "cpu")]
)
def test_every_kind_of_model(name, keep):
    found, wanted = both(KINDS[name], keep=keep, perturb="all", plan=Plan("loop", 2, 4))
    coarse = found.report["precision"] == "bfloat16"
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=2e-2 if coarse else 1e-12)
    if coarse:  # weights are rounded once, so most points have the very same ones
        assert np.median(np.abs(found.loss / wanted.loss - 1)) < 1e-6
    assert np.ptp(wanted.loss) > 0.01
    for name in ("theta", "d1", "d2"):
        assert found.report["norms"][name] == pytest.approx(wanted.report["norms"][name], rel=1e-12)
    assert found.report["moving"] == wanted.report["moving"]
    assert (found.report["lend"], found.report["keep"]) == (True, keep)
    assert (wanted.report["lend"], wanted.report["keep"]) == (False, None)


@pytest.mark.parametrize("normalize", [*NORMS, None])
@pytest.mark.parametrize("scheme", SURFACES)
def test_every_scheme_and_norm(scheme, normalize):
    found, wanted = both(KINDS["convolutions"], scheme=scheme, normalize=normalize)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)
    assert found.report["cosine"] == pytest.approx(wanted.report["cosine"], abs=1e-12)


@pytest.mark.parametrize("perturb", ["weights", "weights+bias", "all", "states", lambda n, _: n.startswith("2.")])
@pytest.mark.parametrize("distribution", ["normal", "uniform", "rademacher"])
def test_every_selection_and_distribution(perturb, distribution):
    found, wanted = both(KINDS["normalised"], BATCHES, perturb=perturb, distribution=distribution)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"repeats": 3},
        {"x": "auto", "y": ("auto", 5)},
        {"tolerance": 0.05, "x": (-1.0, 1.0, 17), "y": (-1.0, 1.0, 17)},
        {"stream_samples": 4},
        {"target_standard_error": 0.5, "loss": losses},
        {"train_mode": True},
        {"batchnorm": "batch"},
        {"metrics": {"accuracy": fastscape.accuracy}},
        {"plan": Plan("loop", 1, 2)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_the_ways_of_a_run(options):
    found, wanted = both(KINDS["normalised"], BATCHES, **options)
    for axis in found.axes:
        np.testing.assert_array_equal(found.axes[axis], wanted.axes[axis])
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)
    assert found.report["weights_hash"] == wanted.report["weights_hash"]


def test_a_line():
    model = KINDS["tied"]()
    options = {"x": (-0.4, 0.5, 4), "loss": loss, "low_memory": True, "progress": False}
    before = bits(model)
    found = fastscape.line(model, DATA, lend=True, keep="disk", **options)
    assert bits(model) == before
    np.testing.assert_allclose(found.loss, fastscape.line(model, DATA, **options).loss, rtol=1e-12)


def test_the_centre_is_the_models_own_call():
    model = KINDS["convolutions"]()
    with torch.no_grad():
        own = loss(model(SAMPLES), TARGETS).item()
    found = fastscape.surface(model, DATA, keep="disk", **{**LENT, "x": [0.0], "y": [0.0]})
    assert found.loss.item() == pytest.approx(own, rel=1e-13)
    assert found.report["deterministic"]


def test_each_tensor_is_written_once_for_a_point(monkeypatch):
    """However many batches there are: what a forward pass does not write to stays."""
    from fastscape.weights import Tensorwise

    points, real = [], Tensorwise.point
    monkeypatch.setattr(
        Tensorwise, "point", lambda self, entry, c, out: (points.append(entry.name), real(self, entry, c, out))
    )
    model = KINDS["counting"]()
    fastscape.surface(model, [(SAMPLES[k : k + 1], TARGETS[k : k + 1]) for k in range(9)], **LENT)
    assert set(points) == {"layer.weight"}
    assert 9 <= len(points) <= 9 + 3  # those of the grid, and the checks before it


def test_gradients_and_flags_stay():
    model = KINDS["normalised"]()
    model[0].weight.requires_grad_(False)
    loss(model(SAMPLES), TARGETS).backward()
    gradients = {name: (p.grad, None if p.grad is None else p.grad.clone()) for name, p in model.named_parameters()}

    def objective(call, batch):
        made = loss(call(batch[0]), batch[1])
        with torch.enable_grad():
            loss(call(batch[0]), batch[1]).backward()  # adds to the gradients of the model
        return {"loss": made}

    options = {**LENT, "keep": "disk", "loss": None}
    options.pop("loss")
    fastscape.surface(model, DATA, objective=objective, **options)
    for name, parameter in model.named_parameters():
        kept, entries = gradients[name]
        assert parameter.grad is kept, name
        assert kept is None or torch.equal(kept, entries), name
    assert [p.requires_grad for p in model.parameters()] == [False] + [True] * (len(list(model.parameters())) - 1)


@pytest.mark.parametrize("keep", ["device", "disk"])
@pytest.mark.parametrize("raised", [ArithmeticError, KeyboardInterrupt])
@pytest.mark.parametrize("after", [1, 2, 4, 9, 13])
def test_the_model_is_put_back_after_an_error(raised, keep, after, tmp_path):
    model, calls = KINDS["normalised"](), []
    before = bits(model)

    def failing(outputs, targets):
        calls.append(1)
        if len(calls) > after:
            raise raised("stop")
        return loss(outputs, targets)

    with pytest.raises(raised):
        fastscape.surface(model, BATCHES, **{**LENT, "loss": failing, "keep": tmp_path if keep == "disk" else keep})
    assert bits(model) == before
    assert list(tmp_path.iterdir()) == []


def test_a_store_goes_on_whether_in_place_or_not(tmp_path):
    pytest.importorskip("zarr")
    wanted = fastscape.surface(KINDS["convolutions"](), DATA, **GRID)
    for first, second in (({}, {"lend": True, "keep": "disk"}), ({"lend": True}, {})):
        store, calls = tmp_path / f"{len(first)}.zarr", []

        def stopping(outputs, targets, calls=calls):
            calls.append(1)
            if len(calls) > 10:
                raise ArithmeticError("stop")
            return loss(outputs, targets)

        stopping.__qualname__, stopping.__module__ = loss.__qualname__, loss.__module__
        options = {**GRID, "store": store, "plan": Plan("loop", 1, 16)}
        with pytest.raises(ArithmeticError):
            fastscape.surface(KINDS["convolutions"](), DATA, **{**options, "loss": stopping}, **first)
        found = fastscape.surface(KINDS["convolutions"](), DATA, **options, **second)
        assert 0 < found.report["points_before"] < 9
        np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)


def test_lend_alone_may_keep_its_copy_elsewhere(tmp_path):
    options = {name: value for name, value in LENT.items() if name != "low_memory"}
    wanted = fastscape.surface(KINDS["convolutions"](), DATA, **{**options, "lend": False})
    for keep in ("device", "cpu", "disk", tmp_path):
        model = KINDS["convolutions"]()
        before = bits(model)
        found = fastscape.surface(model, DATA, keep=keep, **options)
        assert bits(model) == before
        assert_close(found.loss, wanted.loss)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="files without a name")
@pytest.mark.parametrize("end", ["KILL", "TERM", "INT"])
def test_nothing_is_left_on_the_disk_however_a_run_ends(tmp_path, end):
    program = """
import os, pathlib, signal, sys
from case_in_place import KINDS, SAMPLES, TARGETS, bits, loss
import fastscape
folder, end, calls, model = pathlib.Path(sys.argv[1]), sys.argv[2], [], KINDS["normalised"]()
signal.signal(signal.SIGINT, signal.default_int_handler)
before = bits(model)
def failing(outputs, targets):
    calls.append(1)
    if len(calls) == 20:
        os.kill(os.getpid(), getattr(signal, f"SIG{end}"))
    return loss(outputs, targets)
try:
    fastscape.surface(model, (SAMPLES, TARGETS), loss=failing, lend=True, low_memory=True, keep=folder,
                      x=(-1, 1, 9), y=(-1, 1, 9), progress=False)
except KeyboardInterrupt:
    print("stopped", bits(model) == before)
"""
    here = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])}
    command = [sys.executable, "-c", program, str(tmp_path), end]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=here)
    if end == "INT":
        assert ended.stdout.split("\n")[-2] == "stopped True", ended.stderr
    else:
        assert ended.returncode == -getattr(signal, f"SIG{end}"), ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lend": False, "keep": "disk"}, "write lend=True too, or leave out keep"),
        ({"keep": "disc"}, r"keep must be one of 'device', 'cpu', 'disk', or a folder.*, got 'disc'"),
        ({"keep": 3}, r"keep must be .*, got 3"),
        ({"keep": Path("no") / "such"}, "is no folder; make it first"),
        ({"plan": Plan("loop", 4, hoist=True, compile=True)}, "compile=False"),
        ({"plan": Plan("loop", 4, overlap=True)}, "hoist=False, graphs=False and overlap=False"),
        ({"directions": "given"}, "leave out directions"),
        ({"precision": "float32"}, "leave out precision"),
        ({"curvature": "plane"}, "leave out one of them"),
    ],
)
def test_what_excludes_each_other_is_said(options, message):
    model = KINDS["convolutions"]()
    before = bits(model)
    if options.get("directions") == "given":
        options = {"directions": [{n: torch.ones_like(p) for n, p in model.named_parameters() if p.dim() > 1}] * 2}
    with pytest.raises(ValueError, match=message):
        fastscape.surface(model, DATA, **{**LENT, **options})
    assert bits(model) == before


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    from fastscape.weights import kept

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "_write_tensor", full)
    model = KINDS["convolutions"]()
    before = bits(model)
    with pytest.raises(OSError, match=r"the copy of the model takes 0 MB, and '.*' has no room for it"):
        fastscape.surface(model, DATA, keep=tmp_path, **LENT)
    assert bits(model) == before
    assert list(tmp_path.iterdir()) == []


def test_float_losses_of_tokens():
    """Integer inputs do not tell a precision, so nothing is compared with another one."""
    model = nn.Sequential(nn.Embedding(7, 6), nn.Flatten(1), nn.Linear(18, 3))
    tokens = torch.arange(27).view(9, 3) % 7
    options = {**LENT, "loss": F.cross_entropy}
    found = fastscape.surface(model, (tokens, TARGETS), **options)
    wanted = fastscape.surface(model, (tokens, TARGETS), **{**options, "lend": False})
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-5)
