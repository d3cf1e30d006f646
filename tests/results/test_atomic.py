"""Whole writes: after a kill at any moment the old file or the new one is there, and what is left behind is swept."""

import fcntl
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt

import stored_runs
from fastscape import Landscape, Plan, animate
from fastscape.cli.pictures import save_picture
from fastscape.results import write_whole
from fastscape.zoo import models
from fastscape.zoo.checkpoints import save_checkpoint

AXIS = np.linspace(-1, 1, 5)
BOWL = Landscape(AXIS, AXIS, 1 + AXIS[:, None] ** 2 + AXIS**2)
WRITERS = {
    "a.npz": BOWL.save,
    "a.csv": BOWL.export,
    "a.h5": BOWL.export,
    "a.html": BOWL.to_html,
    "a.png": lambda path: save_picture(BOWL.contour, path),
    "a.svg": lambda path: save_picture(BOWL.surface3d, path),
    "a.pdf": lambda path: save_picture(BOWL.contour, path),
    "a.gif": lambda path: animate(BOWL, BOWL.descend((0.8, 0.6), steps=2), out=path),
    "a.json": lambda path: Plan("loop").save(path),
    "a.safetensors": lambda path: save_checkpoint(
        models.build("mlp", image_size=4), path, model_name="mlp", dataset_name="digits"
    ),
}


def write_and_die(path: Path, before: str) -> None:
    """Writes a file, and is killed before a step of it."""
    plt.switch_backend("Agg")
    real = os.fsync if before == "fsync" else Path.replace

    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(os if before == "fsync" else Path, before, killed)
    assert real is not None
    WRITERS[path.name](path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_kill_leaves_the_older_file_and_the_next_write_sweeps(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"older")
    for before in ("fsync", "replace"):
        process = stored_runs.started(write_and_die, path, before)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        assert path.read_bytes() == b"older"
        assert len(list(tmp_path.iterdir())) == 2  # the second write has swept what the first one left
    WRITERS[name](path)
    assert path.read_bytes() != b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_what_somebody_else_writes_is_not_swept(tmp_path):
    path = tmp_path / "a.npz"
    others = {tmp_path / f".{name}.0123abcd.tmp" for name in ("b.npz", "a.npz.b", "a")}
    own = tmp_path / ".a.npz.0123abcd.tmp"
    for file in {*others, own}:
        file.write_bytes(b"half")
    with own.open("r+b") as living:
        fcntl.flock(living, fcntl.LOCK_EX)
        write_whole(path, b"first")
        assert own.exists()
    write_whole(path, b"second")
    assert {*tmp_path.iterdir()} == {path, *others}


def test_who_was_swept_all_the_same_writes_again(tmp_path, monkeypatch):
    """As where a file system has no locks."""
    real, lost = os.fsync, []

    def swept(file: int) -> None:
        real(file)
        if len(lost) < 2:
            (left,) = tmp_path.glob(".a.*.tmp")
            lost.append(left)
            left.unlink()

    monkeypatch.setattr("os.fsync", swept)
    write_whole(tmp_path / "a", b"all")
    assert len(set(lost)) == 2
    assert (tmp_path / "a").read_bytes() == b"all"
    lost.clear()
    monkeypatch.setattr("os.fsync", lambda file: next(tmp_path.glob(".a.*.tmp")).unlink())
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "a", b"other")
    assert (tmp_path / "a").read_bytes() == b"all"


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "there" / "b")
    write_whole(tmp_path / "a", b"all")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "there" / "b").read_bytes() == b"all"


@pytest.mark.parametrize("name", ["a", "a.npz", "a.xyz"])
def test_a_picture_has_the_ending_of_one(name, tmp_path):
    with pytest.raises(ValueError, match=rf"a picture must end in \.png, \.pdf, \.svg, \.eps or \.jpg, got {name}"):
        save_picture(BOWL.contour, tmp_path / name)
    assert not list(tmp_path.iterdir())
    assert not plt.get_fignums()
