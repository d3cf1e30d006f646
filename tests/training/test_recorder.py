"""What a recorder writes: when, which tensors, by which names, and what it refuses."""

import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

import fastscape
import recorded
from fastscape import Recorder
from fastscape.training import folder as folder_room
from fastscape.weights import FORMAT, INDEX, VERSION, rows_of
from stored_runs import answered


def steps(folder):
    return [row.step for row in rows_of(folder)]


def tensors(folder, number=-1):
    return load_file(folder / rows_of(folder)[number].file)


def filled(value, *shape):
    return {"weight": torch.full(shape or (2, 3), float(value))}


def record_all(recorder, last, first=0):
    return [step for step in range(first, last + 1) if recorder.record(filled(step), step)]


def batch_norm():
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight


def test_a_training_is_recorded_in_the_format(tmp_path):
    model, run = nn.Linear(3, 2), tmp_path / "run"
    states = []
    with Recorder(run) as recorder:
        for step in range(3):
            assert recorder.record(
                model, step, loss=torch.tensor(0.5 * step, requires_grad=True), epoch=np.float32(step)
            )
            states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
            with torch.no_grad():
                model.weight.add_(1)
    lines = [json.loads(line) for line in (run / INDEX).read_text().splitlines()]
    assert lines[0] == {"format": FORMAT, "version": VERSION}
    assert lines[2] == {
        "step": 1, "file": "step-000000000001.safetensors",
        "bytes": (run / "step-000000000001.safetensors").stat().st_size, "measures": {"loss": 0.5, "epoch": 1.0},
    }  # fmt: skip
    for number, state in enumerate(states):
        found = tensors(run, number)
        assert found.keys() == state.keys()
        assert all(torch.equal(found[name], state[name]) for name in state)


def test_the_model_and_the_random_numbers_stay_as_they_are(tmp_path):
    model = batch_norm()
    model(torch.randn(5, 4)).sum().backward()
    before = {name: (t.clone(), t.data_ptr(), t._version) for name, t in model.state_dict().items()}
    grads = [p.grad.clone() for p in model.parameters()]
    states = torch.get_rng_state(), random.getstate()
    with Recorder(tmp_path / "run", distance=0.1, background=True) as recorder:
        recorder.record(model)
        recorder.record(model)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    for name, tensor in model.state_dict().items():
        values, place, version = before[name]
        assert torch.equal(tensor, values)
        assert (tensor.data_ptr(), tensor._version) == (place, version)
    assert all(torch.equal(p.grad, grad) for p, grad in zip(model.parameters(), grads, strict=True))
    assert model.training
    assert all(p.requires_grad and p.grad_fn is None for p in model.parameters())


def test_what_moves_is_recorded_and_what_does_not_is_left_out(tmp_path):
    model = batch_norm()
    model[0].requires_grad_(False)
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(model)
        model[2].requires_grad_(False)  # what is frozen later is known, and goes on being recorded
        recorder.record(model)
    for number in range(2):
        assert set(tensors(tmp_path / "run", number)) == {
            "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight", "2.bias"
        }  # fmt: skip


def test_what_moves_from_a_later_step_on_is_refused(tmp_path):
    model = batch_norm()
    model[0].requires_grad_(False)
    recorder = Recorder(tmp_path / "run")
    recorder.record(model)
    model[0].requires_grad_(True)
    with pytest.raises(ValueError, match=r"0\.bias, 0\.weight move now, .* do not hold them; .*state_dict"):
        recorder.record(model)
    with Recorder(tmp_path / "whole") as recorder:
        for frozen in (True, False):
            model[0].requires_grad_(not frozen)
            recorder.record(model.state_dict())
    assert "0.weight" in tensors(tmp_path / "whole", 0)


@pytest.mark.parametrize("given", [lambda model: model, nn.Module.state_dict], ids=["module", "state dict"])
def test_tied_tensors_are_recorded_once(tmp_path, given):
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(given(Tied()))
    assert set(tensors(tmp_path / "run")) == {"a.weight", "a.bias", "b.bias"}


def averaged(model):
    return AveragedModel(model, use_buffers=True)


@pytest.mark.parametrize("wrap", [nn.DataParallel, averaged, torch.compile, lambda m: nn.DataParallel(averaged(m))])
@pytest.mark.parametrize("as_state", [False, True])
def test_wrappers_put_nothing_before_the_names(tmp_path, wrap, as_state):
    model = batch_norm()
    wrapper = wrap(model)
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(wrapper.state_dict() if as_state else wrapper, 0)
        recorder.record(model, 1)  # the same tensors by the same names
    found = tensors(tmp_path / "run", 0)
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors(tmp_path / "run", 1).items())


def test_a_compiled_part_keeps_its_name(tmp_path):
    model = batch_norm()
    model[0] = torch.compile(model[0])
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(model)
    assert "0.weight" in tensors(tmp_path / "run")


def test_complex_tensors_are_pairs_of_real_numbers(tmp_path):
    state = {"z": torch.randn(3, 2, dtype=torch.complex128).conj(), "scalar": torch.tensor(2j), "w": torch.ones(2)}
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(state)
        recorder.record(state)
    found = tensors(tmp_path / "run")
    assert found["z"].dtype == torch.float64
    assert torch.equal(torch.view_as_complex(found["z"]), state["z"].resolve_conj())
    assert found["scalar"].tolist() == [0, 2]
    with safe_open(tmp_path / "run" / rows_of(tmp_path / "run")[0].file, "pt") as file:
        assert json.loads(file.metadata()["complex"]) == ["z", "scalar"]
    with Recorder(tmp_path / "run", dtype="bfloat16") as recorder:  # taken up, with the shapes of the model
        recorder.record(state, 2)
    assert tensors(tmp_path / "run")["z"].dtype == torch.bfloat16


def test_a_record_has_the_dtypes_of_the_model_or_the_one_asked_for(tmp_path):
    state = {f"{dtype}": torch.linspace(-2, 2, 7).to(dtype) for dtype in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2
    )}  # fmt: skip
    state |= {"empty": torch.empty(0, 3), "scalar": torch.tensor(3.5), "turned": torch.randn(3, 4, 5).permute(2, 0, 1)}
    state |= {"odd": torch.ones(3, dtype=torch.float16), "count": torch.tensor(3), "mask": torch.ones(2).bool()}
    with Recorder(tmp_path / "own") as recorder:
        recorder.record(state)
    found = tensors(tmp_path / "own")
    assert found.keys() == state.keys() - {"count", "mask"}
    content = (tmp_path / "own" / rows_of(tmp_path / "own")[0].file).read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert all(entry["data_offsets"][0] % found[name].itemsize == 0 for name, entry in header.items())
    for name, tensor in found.items():
        assert tensor.dtype == state[name].dtype
        assert torch.equal(tensor.double(), state[name].double())
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        with Recorder(tmp_path / name, dtype=name) as recorder:
            recorder.record(state)
        for key, tensor in tensors(tmp_path / name).items():
            assert tensor.dtype == dtype
            assert torch.equal(tensor, state[key].to(dtype))


def test_names_and_layouts_are_what_safetensors_writes(tmp_path):
    from safetensors.torch import save

    state = {'a "quoted" näme': torch.randn(3), "b": torch.randn(2, 2).double(), "c": torch.randn(5).half()}
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(state)
    written = (tmp_path / "run" / rows_of(tmp_path / "run")[0].file).read_bytes()
    theirs, length = save(state), int.from_bytes(written[:8], "little")
    assert length % 8 == 0
    assert len(written) - length == len(theirs) - int.from_bytes(theirs[:8], "little")
    found = tensors(tmp_path / "run")
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(("every", "wanted"), [(1, [0, 1, 2, 3, 4, 5, 6, 7]), (3, [0, 3, 6, 7]), (10, [0, 7])])
def test_every_so_many_steps_and_the_last_one(tmp_path, every, wanted):
    model = nn.Linear(2, 2)
    with Recorder(tmp_path / "run", every=every) as recorder:
        made = [step for step in range(8) if recorder.record(model, step, loss=step)]
    assert made == [step for step in wanted if step % every == 0]
    assert steps(tmp_path / "run") == wanted
    assert rows_of(tmp_path / "run")[-1].measures == {"loss": 7}


def test_the_first_step_need_not_be_0_nor_a_multiple(tmp_path):
    with Recorder(tmp_path / "run", every=10) as recorder:
        assert [step for step in range(5, 50, 7) if recorder.record(filled(step), step)] == [5, 19, 33, 47]


def test_the_last_state_is_not_recorded_once_the_model_has_left_it(tmp_path):
    model = nn.Linear(2, 2)
    with Recorder(tmp_path / "run", every=10) as recorder:
        for step in range(3):
            recorder.record(model, step)
        with torch.no_grad():
            model.weight.zero_()
    assert steps(tmp_path / "run") == [0]
    with Recorder(tmp_path / "gone", every=10) as recorder:
        for step in range(3):
            recorder.record(nn.Linear(2, 2), step)
        gc.collect()
    assert steps(tmp_path / "gone") == [0]


@pytest.mark.parametrize("change", ["another parameter", "one more parameter", "an inference tensor"])
def test_the_last_state_is_not_recorded_of_a_model_that_is_made_of_others(tmp_path, change):
    model = nn.Linear(2, 2)
    if change == "an inference tensor":  # whose writes torch does not count
        with torch.inference_mode():
            model.register_buffer("sums", torch.zeros(2))
    with Recorder(tmp_path / "run", every=10) as recorder:
        for step in range(3):
            recorder.record(model, step)
        if change == "another parameter":
            model.weight = nn.Parameter(torch.zeros(2, 2))
        if change == "one more parameter":
            model.scale = nn.Parameter(torch.zeros(2))
    assert steps(tmp_path / "run") == [0]


def test_a_measure_of_a_skipped_record_holds_no_graph(tmp_path):
    model = nn.Linear(2, 2)
    recorder = Recorder(tmp_path / "run", every=10)
    recorder.record(model)
    inner = model(torch.ones(2))
    seen = []
    inner.grad_fn.register_hook(lambda *_: seen.append(1))
    graph = torch.utils.weak.WeakTensorKeyDictionary({inner: 1})
    recorder.record(model, loss=inner.sum())
    del inner
    gc.collect()
    assert len(graph) == 0
    recorder.close()
    assert "loss" in rows_of(tmp_path / "run")[-1].measures


@pytest.mark.parametrize("most", range(2, 10))
@pytest.mark.parametrize("background", [False, True])
def test_at_most_so_many_are_kept_evenly(tmp_path, most, background):
    run = tmp_path / "run"
    with Recorder(run, most=most, background=background) as recorder:
        last = [step for step in range(101) if recorder.record(filled(step), step)][-1]
    found = steps(run)
    assert found[0] == 0
    assert found[-1] == last
    assert most // 2 < len(found) <= most
    assert len(set(np.diff(found))) <= 1
    assert all((tensors(run, k)["weight"] == step).all() for k, step in enumerate(found))
    assert {path.name for path in run.iterdir()} == {INDEX, ".lock"} | {row.file for row in rows_of(run)}
    with Recorder(run, most=most) as recorder:  # goes on with what thinning has made of `every`
        record_all(recorder, 300, 101)
    assert 1 < len(steps(run)) <= most
    assert len(set(np.diff(steps(run)))) <= 1


def test_the_last_state_stays_beside_at_most_so_many(tmp_path):
    for most in (2, 5, 6):
        model = nn.Linear(2, 2)
        with Recorder(tmp_path / f"{most}", most=most) as recorder:
            for step in range(32):
                recorder.record(model, step)
        assert len(steps(tmp_path / f"{most}")) <= most
        assert steps(tmp_path / f"{most}")[:: len(steps(tmp_path / f"{most}")) - 1] == [0, 31]


def test_no_record_unless_the_weights_have_moved(tmp_path):
    model = nn.Linear(1, 4)  # its weight moves by 2 * 0.3, its buffer does not count
    model.register_buffer("count", torch.zeros(()))
    with Recorder(tmp_path / "run", distance=1.5) as recorder:
        for step in range(8):
            recorder.record(model, step)
            with torch.no_grad():
                model.weight.add_(0.3)
                model.count.add_(100)
    assert steps(tmp_path / "run") == [0, 3, 6]  # not 7, which the model has left
    with Recorder(tmp_path / "run", distance=1.5) as recorder:  # since the last one there, of step 6: by 1.2 now
        assert not recorder.record(model, 8)
        assert not recorder.record(model, 9)
        with torch.no_grad():
            model.weight.add_(0.3)
        assert recorder.record(model, 10)
    with Recorder(tmp_path / "run", distance=1.5) as recorder:  # went back: there is no last one
        assert recorder.record(model, 10)


def test_distances_go_with_every_and_are_those_of_all_parameters(tmp_path):
    with Recorder(tmp_path / "run", every=2, distance=3.0) as recorder:
        made = [
            k for k in range(12) if recorder.record({"a": torch.tensor(3.0 * k / 4), "b": torch.tensor(1j * k)}, k)
        ]
    assert made == [0, 4, 8]  # one step is 1.25, and only every second one is looked at


def test_a_state_is_kept_whatever_is_due(tmp_path):
    with Recorder(tmp_path / "run", every=10, distance=1e9) as recorder:
        recorder.record(filled(0))
        assert not recorder.record(filled(1))
        assert recorder.keep(filled(1), loss=0.5)
        assert not recorder.keep(filled(1))
        assert recorder.keep(filled(2), 5)
        assert not recorder.record(filled(2), 9)
    assert steps(tmp_path / "run") == [0, 1, 5]
    assert rows_of(tmp_path / "run")[1].measures == {"loss": 0.5}


def test_an_optimizer_drives_the_recorder(tmp_path):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    weights, loss = [], torch.zeros(())
    with Recorder(tmp_path / "run", every=2) as recorder:
        handle = recorder.attach(model, optimizer, lambda: {"loss": loss})
        for _ in range(5):
            weights.append(model.weight.detach().clone())
            loss = model(torch.ones(4, 3)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        weights.append(model.weight.detach().clone())
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == [0, 2, 4, 5]
    assert [set(row.measures) for row in rows] == [set(), {"loss"}, {"loss"}, set()]
    assert all(torch.equal(tensors(tmp_path / "run", k)["weight"], weights[row.step]) for k, row in enumerate(rows))
    optimizer.step()  # the recorder is closed, and no longer called
    assert handle.id not in optimizer._optimizer_step_post_hooks


def test_a_handle_ends_it_and_another_optimizer_counts_on(tmp_path):
    model = nn.Linear(3, 1)
    first, second = (torch.optim.SGD(model.parameters(), lr=0.1) for _ in range(2))
    with Recorder(tmp_path / "run") as recorder:
        handle = recorder.attach(model, first, step=3)
        recorder.attach(model, second)
        first.step()
        second.step()
        handle.remove()
        first.step()
    assert steps(tmp_path / "run") == [3, 4, 5]


@pytest.mark.parametrize("step", [1, 2])
def test_a_step_that_is_not_above_the_last_one_is_refused(tmp_path, step):
    with Recorder(tmp_path / "run", every=2) as recorder:
        recorder.record(filled(0), 0)
        recorder.record(filled(2), 2)
        with pytest.raises(
            ValueError, match=rf"step must be larger than the last step, 2, got {step}. .*make a new one of"
        ):
            recorder.record(filled(step), step)
    assert steps(tmp_path / "run") == [0, 2]


def test_a_new_recorder_goes_on(tmp_path):
    run = tmp_path / "run"
    with Recorder(run, every=2) as recorder:
        assert record_all(recorder, 5) == [0, 2, 4]
    with Recorder(run, every=2) as recorder:
        assert record_all(recorder, 8, first=5) == [6, 8]
    assert steps(run) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("call", ["record", "attach"])
def test_a_new_recorder_wants_to_know_the_step(tmp_path, call):
    model = nn.Linear(2, 2)
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(model)
    arguments = (torch.optim.SGD(model.parameters()),) if call == "attach" else ()
    with pytest.raises(ValueError, match=r"run has records up to step 0; write step=\.\.\."):
        getattr(Recorder(tmp_path / "run"), call)(model, *arguments)


def test_a_training_that_went_back_takes_the_place_of_what_was_there(tmp_path):
    run = tmp_path / "run"
    with Recorder(run) as recorder:
        record_all(recorder, 4)
    with Recorder(run) as recorder:
        for step in (2, 3):
            recorder.record({"weight": torch.full((2, 3), step + 0.5)}, step)
    assert steps(run) == [0, 1, 2, 3]
    assert [float(tensors(run, k)["weight"][0, 0]) for k in range(4)] == [0, 1, 2.5, 3.5]
    assert rows_of(run)[2].file == "step-000000000002-2.safetensors"
    assert (run / "step-000000000004.safetensors").exists()  # a reader may be at it
    with Recorder(run) as recorder:
        recorder.record(filled(4), 4)
    assert {path.name for path in run.iterdir()} == {INDEX, ".lock"} | {row.file for row in rows_of(run)}


def test_a_training_that_begins_anew_is_warned_of(tmp_path):
    with Recorder(tmp_path / "run") as recorder:
        record_all(recorder, 4)
    with (
        Recorder(tmp_path / "run") as recorder,
        pytest.warns(UserWarning, match=r"begins anew at step 0: .* up to step 4\. Give another folder") as caught,
    ):
        recorder.record(filled(9), 0)
    assert caught[0].filename == __file__
    assert steps(tmp_path / "run") == [0]


@pytest.mark.parametrize("torn", [b'{"step": 9, "fi', b'{"step": 9, "fi\n', b"\0" * 20])
def test_half_a_line_is_written_over(tmp_path, torn):
    run = tmp_path / "run"
    with Recorder(run) as recorder:
        record_all(recorder, 1)
    whole = (run / INDEX).read_bytes()
    with (run / INDEX).open("ab") as file:
        file.write(torn)
    for name in ("step-000000000009.safetensors", f".{INDEX}.00ff.tmp", ".step-000000000009.safetensors.00ff.tmp"):
        (run / name).write_bytes(b"left")
    (run / "notes.txt").write_text("of the user")
    assert steps(run) == [0, 1]
    with Recorder(run) as recorder:
        recorder.record(filled(2), 2)
    assert (run / INDEX).read_bytes().startswith(whole)
    assert steps(run) == [0, 1, 2]
    assert {path.name for path in run.iterdir()} - {row.file for row in rows_of(run)} == {INDEX, ".lock", "notes.txt"}


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"file is a file; give the name of a folder"):
        Recorder(tmp_path / "file").record(filled(0))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"other holds thesis\.tex and is no recording; give a folder that is new"):
        Recorder(tmp_path / "other").record(filled(0))
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.tex"]
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / INDEX).write_text(f'{{"format": "{FORMAT}", "version": {VERSION + 1}}}\n')
    with pytest.raises(ValueError, match=rf"must have version {VERSION}, got {VERSION + 1}: update"):
        Recorder(tmp_path / "newer").record(filled(0))
    (tmp_path / "newer" / INDEX).write_text('{"format": "something else"}\n')
    with pytest.raises(ValueError, match=r"must be the format|does not begin with the format"):
        Recorder(tmp_path / "newer").record(filled(0))


def test_a_record_that_is_missing_or_cut_off_is_named(tmp_path):
    run = tmp_path / "run"
    with Recorder(run) as recorder:
        record_all(recorder, 2)
    file = run / rows_of(run)[1].file
    content = file.read_bytes()
    file.write_bytes(content[:-4])
    with pytest.raises(ValueError, match=r"000001\.safetensors, of step 1, has \d+ bytes instead of \d+; put it back"):
        Recorder(run).record(filled(3), 3)
    file.unlink()
    with pytest.raises(ValueError, match=r"000001\.safetensors, of step 1, is missing; put it back, delete its line"):
        Recorder(run).record(filled(3), 3)
    file.write_bytes(content)
    last = run / rows_of(run)[-1].file
    last.write_bytes(b"\xff" * last.stat().st_size)
    with pytest.raises(ValueError, match=r"000002\.safetensors is damaged"):
        Recorder(run).record(filled(3), 3)


@pytest.mark.parametrize("again", [False, True])
def test_another_model_is_refused(tmp_path, again):
    recorder = Recorder(tmp_path / "run")
    recorder.record(nn.Linear(3, 2), 0)
    if again:
        recorder.close()
        recorder = Recorder(tmp_path / "run")
    with pytest.raises(ValueError, match=r"another model: weight has shape \(2, 3\) there, and \(2, 4\) in this one"):
        recorder.record(nn.Linear(4, 2), 1)
    with pytest.raises(ValueError, match=r"of another model, with bias, weight; this one has 0\.bias, 0\.weight"):
        recorder.record(nn.Sequential(nn.Linear(3, 2)), 2)
    with pytest.raises(ValueError, match=r"records of another model, with bias; this one has weight"):
        recorder.record(nn.Linear(3, 2, bias=False), 3)
    recorder.record(nn.Linear(3, 2), 4)


def test_two_recorders_of_one_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_room, "PATIENCE", 0.1)
    first, second = Recorder(tmp_path / "run"), Recorder(tmp_path / "run")
    first.record(filled(0))
    with pytest.raises(ValueError, match=r"another Recorder is writing to .*run; close\(\) it"):
        second.record(filled(0))
    assert "another Recorder is writing to" in answered(recorded.refused, tmp_path / "run")
    first.close()
    second.record(filled(1), 1)
    assert steps(tmp_path / "run") == [0, 1]


def test_a_recorder_that_nobody_closes_leaves_its_folder_to_others(tmp_path):
    Recorder(tmp_path / "run").record(filled(0))
    gc.collect()
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(filled(1), 1)
    with pytest.raises(ValueError, match=r"this Recorder of .*run is closed; make a new one, which goes on"):
        recorder.record(filled(2), 2)
    recorder.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0}, "every must be a whole number of at least 1.*, got 0"),
        ({"every": 1.5}, r"every must be .*, got 1\.5"),
        ({"every": True}, "every must be .*, got True"),
        ({"most": 1}, "most must be a whole number of at least 2.*, got 1"),
        ({"distance": 0.0}, r"distance must be a number above 0.*, got 0\.0"),
        ({"distance": float("nan")}, "distance must be .*, got nan"),
        ({"dtype": "float16"}, "dtype must be 'float32', 'bfloat16', or None.*, got 'float16'"),
    ],
)
def test_options_are_checked(tmp_path, options, said):
    with pytest.raises(ValueError, match=said):
        Recorder(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_recorded_is_refused(tmp_path):
    recorder = Recorder(tmp_path / "run")
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, or its state dict.*, got list"):
        recorder.record([torch.ones(2)])
    with pytest.raises(
        TypeError,
        match="model must be a state dict, tensors by name, got a dict that holds 'model', 'optimizer': write",
    ):
        recorder.record({"model": filled(0), "optimizer": {}, "epoch": 3})
    with pytest.raises(ValueError, match=r"nothing of Linear moves: .*record\(model\.state_dict\(\)\)"):
        recorder.record(nn.Linear(2, 2).requires_grad_(False))
    with pytest.raises(ValueError, match=r"the model has no values of weight, bias, on the device 'meta'"):
        recorder.record(nn.Linear(2, 2, device="meta"))
    with pytest.raises(ValueError, match="weight is not initialised yet; run the model once"):
        recorder.record(nn.LazyLinear(2))
    with pytest.raises(ValueError, match=r"layout torch\.sparse_coo, which safetensors cannot hold"):
        recorder.record({"weight": torch.eye(3).to_sparse()})
    with pytest.raises(ValueError, match=r"dtype torch\.float8_e4m3fnuz, .*cannot hold; .*dtype='float32'"):
        recorder.record({"weight": torch.ones(2).to(torch.float8_e4m3fnuz)})
    with pytest.raises(ValueError, match=r"several tensors have one name"):
        recorder.record({"a.weight": torch.ones(2), "a._orig_mod.weight": torch.ones(2)})
    with pytest.raises(ValueError, match=r"step must be a whole number of at least 0.*, got -1"):
        recorder.record(filled(0), -1)
    with pytest.raises(TypeError, match=r"the measure loss must be a number.*, got 'low'"):
        recorder.record(filled(0), 100, loss="low")
    with pytest.raises(TypeError, match=r"the measure loss must be a number.*, got tensor.*"):
        recorder.record(filled(0), 101, loss=torch.ones(3))
    assert steps(tmp_path / "run") == []


class FullyShardedDataParallel(nn.Linear):
    """Has the name of torch's wrapper, which is known by it."""


def test_weights_in_pieces_are_refused(tmp_path):
    recorder = Recorder(tmp_path / "run")
    with pytest.raises(ValueError, match=r"FullyShardedDataParallel, .*record\(state_dict\).*fully_shard"):
        recorder.record(nn.Sequential(FullyShardedDataParallel(2, 2)))
    model = nn.Linear(2, 2)
    model.weight.ds_numel = 16
    with pytest.raises(ValueError, match=r"weight lies in pieces .*ZeRO-3.*GatheredParameters"):
        recorder.record(model)


def test_the_wrapper_of_torch_has_the_name_it_is_known_by():
    from torch.distributed.fsdp import FullyShardedDataParallel as Wrapper

    assert Wrapper.__name__ == FullyShardedDataParallel.__name__


def test_measures_may_be_infinite_or_nan(tmp_path):
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(filled(0), loss=float("inf"), other=float("nan"), third=1)
    assert rows_of(tmp_path / "run")[0].measures == {"loss": float("inf"), "third": 1.0}


def test_a_thread_writes_while_at_most_one_copy_waits(tmp_path, monkeypatch):
    may_write, began = threading.Semaphore(0), threading.Semaphore(0)
    add = folder_room.Folder.add

    def slow(*arguments):
        began.release()
        assert may_write.acquire(timeout=60)
        add(*arguments)

    monkeypatch.setattr(folder_room.Folder, "add", slow)
    recorder, model, past = Recorder(tmp_path / "run", background=True), nn.Linear(2, 2), []

    def loop():
        for step in range(3):
            with torch.no_grad():
                model.weight.fill_(step)
            recorder.record(model, step)
            past.append(step)

    thread = threading.Thread(target=loop)
    thread.start()
    assert began.acquire(timeout=60)
    for done in range(3):
        # The training is at most one step ahead of what is written, and waits with its next copy.
        thread.join(0.05)
        assert len(past) <= done + 1
        may_write.release()
    thread.join(60)
    recorder.close()
    assert [float(tensors(tmp_path / "run", k)["weight"][0, 0]) for k in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("background", [False, True])
def test_what_cannot_be_written_is_said_and_the_rest_goes_on(tmp_path, monkeypatch, background):
    run, append = tmp_path / "run", folder_room.Folder._append

    def full(self, line):
        with (self.path / INDEX).open("ab") as file:
            file.write(line[:7])
        raise OSError("no space left on device")

    recorder = Recorder(run, background=background, most=4)
    record_all(recorder, 3)
    recorder._writer.settle()
    monkeypatch.setattr(folder_room.Folder, "_append", full)
    with pytest.raises(OSError, match="no space left"):
        recorder.record(filled(4), 4)
        recorder.record(filled(8), 8)  # the next one that is due
    monkeypatch.setattr(folder_room.Folder, "_append", append)
    assert steps(run) == [0, 1, 2, 3]
    assert len(list(run.glob("step-*"))) == 4
    recorder.record(filled(50), 50)
    recorder.close()
    assert steps(run)[0] == 0
    assert steps(run)[-1] == 50
    assert len(steps(run)) <= 4
    monkeypatch.setattr(folder_room.Folder, "_append", full)
    recorder = Recorder(run, background=background)
    with pytest.raises(OSError, match="no space left"):
        recorder.record(filled(60), 60)
        recorder.close()
    recorder.close()
    assert len(list(run.glob("step-*"))) == len(steps(run))


def test_half_a_line_of_a_full_disk_is_taken_back(tmp_path, monkeypatch):
    with Recorder(tmp_path / "run") as recorder:
        recorder.record(filled(0))
        size = (tmp_path / "run" / INDEX).stat().st_size

        def fails(_):
            raise OSError("no space left on device")

        monkeypatch.setattr(folder_room.os, "fsync", fails)
        with pytest.raises(OSError, match="no space left"):
            recorder._writer.folder._append(b'{"step": 1}\n')
        monkeypatch.undo()
        assert (tmp_path / "run" / INDEX).stat().st_size == size
        with (tmp_path / "run" / INDEX).open("ab") as file:  # where that did not work either
            file.write(b'{"step": 1')
        recorder.record(filled(1))
    assert steps(tmp_path / "run") == [0, 1]


ENDS = """
import os, signal, sys, torch
from fastscape import Recorder
recorder = Recorder({folder!r}, background=True)
for step in range(5):
    recorder.record({{"weight": torch.full((300, 300), float(step))}}, step)
{last}
"""


def test_the_end_of_the_interpreter_leaves_all_records(tmp_path):
    run = tmp_path / "run"
    code = ENDS.format(folder=str(run), last="os.kill(os.getpid(), signal.SIGINT)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in done.stderr
    assert steps(run) == list(range(5))
    assert all((tensors(run, k)["weight"] == k).all() for k in range(5))


def test_an_error_of_the_thread_is_seen_at_the_end_of_the_interpreter(tmp_path):
    code = (
        "from fastscape.training.folder import Folder\ndef add(*_): raise OSError('no space left')\nFolder.add = add"
    )
    code += ENDS.format(folder=str(tmp_path / "run"), last="").replace("range(5)", "range(1)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "no space left" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_process_that_was_forked_leaves_the_recorder_alone(tmp_path):
    recorder = Recorder(tmp_path / "run")
    recorder.record(filled(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads of torch
        child = os.fork()
    if not child:
        try:
            recorder.close()
        finally:
            os._exit(recorder._writer.closed)
    assert os.waitpid(child, 0)[1] == 0
    recorder.record(filled(1), 1)
    recorder.close()
    assert steps(tmp_path / "run") == [0, 1]


def test_ctrl_c_in_a_training_leaves_what_was_recorded(tmp_path):
    model = nn.Linear(2, 2)
    with pytest.raises(KeyboardInterrupt), Recorder(tmp_path / "run", every=3) as recorder:
        for step in range(100):
            recorder.record(model, step)
            if step == 5:
                signal.raise_signal(signal.SIGINT)
    assert steps(tmp_path / "run") == [0, 3, 5]


def test_the_recorder_is_public():
    assert fastscape.Recorder is Recorder
    with pytest.raises(AttributeError, match=r"module 'fastscape\.training' has no attribute 'keras'"):
        fastscape.training.keras  # noqa: B018
