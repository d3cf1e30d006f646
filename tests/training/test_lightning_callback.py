"""A training of Lightning is recorded by one line; with the real package, where it is installed (`make training`)."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lightning = pytest.importorskip("lightning.pytorch")

import fastscape
from fastscape.training.lightning import RecorderCallback
from fastscape.weights import rows_of

pytestmark = pytest.mark.filterwarnings("ignore")  # of Lightning: few workers, no logger, no accelerator


class Module(lightning.LightningModule):
    """Notes its weights after every step, and the loss of every batch."""

    def __init__(self, manual=False):
        super().__init__()
        self.automatic_optimization = not manual
        self.net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))
        self.noted, self.losses = {}, []

    def training_step(self, batch, batch_idx):
        loss = self.net(batch[0]).square().mean()
        self.losses.append(float(loss))
        if not self.automatic_optimization:
            self.optimizers().zero_grad()
            self.manual_backward(loss)
            self.optimizers().step()
        return loss

    def on_train_start(self):
        self.note()

    def on_train_batch_end(self, *_):
        self.note()

    def note(self):
        if self.trainer.global_step not in self.noted:
            self.noted[self.trainer.global_step] = {name: t.clone() for name, t in self.state_dict().items()}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Stream(IterableDataset):
    def __iter__(self):
        return ((part,) for part in torch.randn(24, 4, 4, generator=torch.Generator().manual_seed(0)))


def loader(batches=6):
    return DataLoader(TensorDataset(torch.randn(4 * batches, 4)), batch_size=4)


def fit(module, *callbacks, data=None, ckpt=None, **options):
    options = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "enable_checkpointing": False, **options}
    trainer = lightning.Trainer(
        callbacks=list(callbacks), enable_progress_bar=False, enable_model_summary=False, **options
    )
    trainer.fit(module, loader() if data is None else data, ckpt_path=ckpt)
    return trainer


def check_weights(folder, module):
    for row in rows_of(folder):
        found = load_file(folder / row.file)
        state = {name: t for name, t in module.noted[row.step].items() if t.is_floating_point()}
        assert found.keys() == state.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_one_line_records_a_training(tmp_path):
    module = Module()
    fit(module, fastscape.training.lightning.RecorderCallback(tmp_path / "run"))
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == list(range(13))
    check_weights(tmp_path / "run", module)
    assert "loss" not in rows[0].measures
    np.testing.assert_allclose([row.measures["loss"] for row in rows[1:]], module.losses, rtol=1e-6)
    np.testing.assert_allclose([row.measures["epoch"] for row in rows], np.arange(13) / 6)


def test_options_and_the_last_state(tmp_path):
    module = Module()
    fit(module, RecorderCallback(tmp_path / "run", every=5, background=True))
    assert [row.step for row in rows_of(tmp_path / "run")] == [0, 5, 10, 12]
    assert rows_of(tmp_path / "run")[-1].measures["epoch"] == 2
    check_weights(tmp_path / "run", module)
    with pytest.raises(ValueError, match=r"every must be a whole number of at least 1.*, got 0"):
        RecorderCallback(tmp_path / "run", every=0)


def test_accumulated_batches_are_one_step(tmp_path):
    module = Module()
    fit(module, RecorderCallback(tmp_path / "run"), accumulate_grad_batches=4, max_epochs=1)
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == [0, 1, 2]
    assert [row.measures["epoch"] for row in rows] == pytest.approx([0, 4 / 6, 1])
    wanted = [np.mean(module.losses[:4]), np.mean(module.losses[4:])]
    assert [row.measures["loss"] for row in rows[1:]] == pytest.approx(wanted)
    check_weights(tmp_path / "run", module)


def test_manual_optimization_and_data_of_unknown_length(tmp_path):
    module = Module(manual=True)
    fit(module, RecorderCallback(tmp_path / "run"), data=DataLoader(Stream(), batch_size=None), max_steps=7)
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == list(range(8))
    assert {row.measures["epoch"] for row in rows} == {0}
    assert [row.measures["loss"] for row in rows[1:]] == pytest.approx(module.losses)


class Zeroing(lightning.Callback):
    """Changes the weights at the end, as averaging does."""

    def on_train_end(self, trainer, pl_module):
        nn.init.zeros_(pl_module.net[0].weight)


@pytest.mark.parametrize("options", [{}, {"max_steps": 7}, {"max_epochs": -1, "max_steps": 7}])
def test_the_last_state_is_that_before_others_change_it(tmp_path, options):
    module = Module()
    fit(module, Zeroing(), RecorderCallback(tmp_path / "run", every=5), **options)
    assert [row.step for row in rows_of(tmp_path / "run")] == ([0, 5, 7] if options else [0, 5, 10, 12])
    check_weights(tmp_path / "run", module)


class Stops(lightning.Callback):
    """Stops a training as early stopping does, or fails."""

    def __init__(self, error=None):
        self.error = error

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == 3:
            trainer.should_stop = True
            if self.error is not None:
                raise self.error


@pytest.mark.parametrize("error", [None, RuntimeError("no more"), KeyboardInterrupt()])
def test_a_training_that_ends_early_keeps_its_last_state(tmp_path, error):
    module = Module()
    try:
        fit(module, RecorderCallback(tmp_path / "run", every=2), Stops(error), min_epochs=0)
    except (RuntimeError, KeyboardInterrupt, SystemExit):
        assert error is not None
    assert [row.step for row in rows_of(tmp_path / "run")] == [0, 2, 3]
    with fastscape.Recorder(tmp_path / "run") as recorder:  # it was closed
        assert recorder.record(module, 9)


def test_a_training_that_is_taken_up_goes_on_in_its_folder(tmp_path):
    data = loader()
    first, callback = Module(), RecorderCallback(tmp_path / "run")
    trainer = fit(first, callback, data=data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    trainer = fit(first, callback, data=data, ckpt=tmp_path / "last.ckpt", max_epochs=3)
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == list(range(19))
    np.testing.assert_allclose([row.measures["epoch"] for row in rows], np.arange(19) / 6)
    check_weights(tmp_path / "run", first)
