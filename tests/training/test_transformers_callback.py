"""A training of transformers is recorded by one line, with the real package if it is installed (`make training`)."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

import fastscape
from fastscape.training.transformers import RecorderCallback
from fastscape.weights import rows_of

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers: no accelerator, no pinned memory

STEPS = 8  # of two epochs


class Noting(transformers.TrainerCallback):
    """Notes the weights after every step."""

    def __init__(self):
        self.noted = {}

    def on_train_begin(self, args, state, control, model, **_):
        self.note(state, model)

    def on_step_end(self, args, state, control, model, **_):
        self.note(state, model)

    def note(self, state, model):
        self.noted[state.global_step] = {name: p.detach().clone() for name, p in model.named_parameters()}


def language_model():
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=1, n_head=1)
    return transformers.GPT2LMHeadModel(config)


def trained(folder, *callbacks, resume=None, evaluates=None, **options):
    texts = [{"input_ids": ids, "labels": ids} for ids in torch.randint(20, (16, 8))]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"), per_device_train_batch_size=4, report_to=[], use_cpu=True, disable_tqdm=True,
        **{"num_train_epochs": 2, "save_strategy": "no", "logging_steps": 1, "learning_rate": 0.01, **options},
    )  # fmt: skip
    noting = Noting()
    trainer = transformers.Trainer(
        language_model(), arguments, train_dataset=texts, eval_dataset=texts[:4], callbacks=[noting, *callbacks]
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer, noting.noted


def check_weights(folder, noted):
    for row in rows_of(folder):
        found = load_file(folder / row.file)
        assert noted[row.step].keys() <= found.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in noted[row.step].items())


def test_one_line_records_a_training(tmp_path):
    trainer, noted = trained(tmp_path, fastscape.training.transformers.RecorderCallback(tmp_path / "run"))
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == list(range(STEPS + 1))
    check_weights(tmp_path / "run", noted)
    logged = {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}
    assert "loss" not in rows[0].measures
    assert {row.step: row.measures["loss"] for row in rows[1:]} == pytest.approx(logged)
    np.testing.assert_allclose([row.measures["epoch"] for row in rows], np.arange(STEPS + 1) / 4)


@pytest.mark.parametrize("strategy", ["no", "steps", "epoch"])
def test_every_so_many_steps_and_the_last_one(tmp_path, strategy):
    options = {"logging_strategy": strategy, "logging_steps": 3}
    _, noted = trained(tmp_path, RecorderCallback(tmp_path / "run", every=3), **options)
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == [0, 3, 6, 8]
    assert ["loss" in row.measures for row in rows] == [False, *[strategy == "steps"] * 2, False]
    check_weights(tmp_path / "run", noted)
    with pytest.raises(ValueError, match=r"every must be a whole number of at least 1.*, got 0"):
        RecorderCallback(tmp_path / "run", every=0)


def test_accumulated_batches_are_one_step(tmp_path):
    _, noted = trained(tmp_path, RecorderCallback(tmp_path / "run"), gradient_accumulation_steps=2)
    assert [row.step for row in rows_of(tmp_path / "run")] == [0, 1, 2, 3, 4]
    check_weights(tmp_path / "run", noted)


class Stops(transformers.TrainerCallback):
    """Stops a training as early stopping does: when it is evaluated."""

    def on_evaluate(self, args, state, control, **_):
        control.should_training_stop = state.global_step == 5


@pytest.mark.parametrize("stops", [False, True])
def test_the_last_state_is_not_the_best_one_that_is_loaded_at_the_end(tmp_path, stops):
    options = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 1, "save_steps": 1}
    options |= {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": True}
    callback = RecorderCallback(tmp_path / "run", every=3)
    trainer, noted = trained(tmp_path, *([Stops()] if stops else []), callback, **options)
    assert trainer.state.best_model_checkpoint.endswith("checkpoint-1")
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == ([0, 3, 5] if stops else [0, 3, 6, 8])
    check_weights(tmp_path / "run", noted)


def test_a_training_that_is_taken_up_goes_on_in_its_folder(tmp_path):
    options = {"save_strategy": "steps", "save_steps": 6}
    trained(tmp_path, RecorderCallback(tmp_path / "run"), **options)
    before = {row.step: row.file for row in rows_of(tmp_path / "run")}
    _, noted = trained(
        tmp_path, RecorderCallback(tmp_path / "run"), resume=str(tmp_path / "out" / "checkpoint-6"), **options
    )
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == list(range(STEPS + 1))
    assert [row.step for row in rows if row.file != before[row.step]] == [6, 7, 8]
    found = load_file(tmp_path / "run" / rows[-1].file)
    assert all(torch.equal(found[name], tensor) for name, tensor in noted[STEPS].items())


def test_a_training_that_fails_can_be_begun_again(tmp_path):
    class Fails(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            if state.global_step == 3:
                raise KeyError(3)

    callback = RecorderCallback(tmp_path / "run")
    with pytest.raises(KeyError):
        trained(tmp_path, callback, Fails())
    assert [row.step for row in rows_of(tmp_path / "run")] == [0, 1, 2]
    with pytest.warns(UserWarning, match="the training begins anew at step 0"):
        trained(tmp_path, callback)
    assert len(rows_of(tmp_path / "run")) == STEPS + 1


def test_only_what_moves_is_recorded(tmp_path):
    model = language_model()
    model.transformer.requires_grad_(False)
    with fastscape.Recorder(tmp_path / "run") as recorder:
        with pytest.raises(ValueError, match="nothing of GPT2LMHeadModel moves"):
            recorder.record(model)  # the head is tied to the embedding
        model.transformer.h[0].requires_grad_(True)
        recorder.record(model)
    found = load_file(tmp_path / "run" / rows_of(tmp_path / "run")[0].file)
    assert found
    assert all(name.startswith("transformer.h.0.") for name in found)
    assert isinstance(model, nn.Module)
