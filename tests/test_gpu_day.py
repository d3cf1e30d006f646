"""The command for a day with a GPU, at tiny size on the CPU: it runs, goes on where it was, and keeps its time."""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.autograd import DeviceType

import fastscape
from benchmarks import report
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import (
    bandwidth,
    baselines,
    card,
    day,
    kernels,
    memory,
    philox,
    setting,
    surfaces,
    table,
    values,
    worker,
)  # fmt: skip
from benchmarks.gpu.judging import Worst
from benchmarks.gpu.points import PLANS, offered, setting_problem
from benchmarks.gpu.records import STAGES, Records, RefusedError
from benchmarks.gpu.setting import Entry, NotOfferedError, Setting
from benchmarks.gpu.surfaces import FLOAT32
from fastscape import Plan
from fastscape.zoo import models

ROOT = Path(__file__).parent.parent
SETTING = Setting(torch.device("cpu"), True, 0)
ABOUT = {"device": "cpu", "processor": "a processor", "tiny": True, "source": "of today", "seed": 0, "date": "today"}
# What the day must do without: all that `pip install torch-fastscape` brings besides torch, triton, numpy, tqdm and
# safetensors, and whatever the tests and the extras bring.
BLOCKED = [
    "scipy", "sklearn", "filelock", "typer", "plotly", "matplotlib", "torchvision", "pytest", "hypothesis", "zarr",
    "h5py", "xarray", "PIL", "pandas",
]  # fmt: skip


def bare(folder: Path) -> dict[str, str]:
    """An environment in which these packages are not installed."""
    folder.mkdir(parents=True)
    for name in BLOCKED:
        (folder / f"{name}.py").write_text(f"raise ImportError('{name} is blocked')\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "OMP_NUM_THREADS": "1"}


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False, timeout=300)


@pytest.fixture(scope="module")
def bare_day(tmp_path_factory):
    """The whole command, tiny, where nothing optional is installed: its folder, what it printed, what it needs."""
    place = tmp_path_factory.mktemp("day")
    environment = bare(place / "blocked")
    done = run(environment, "-m", "benchmarks.gpu", "--out", place / "out", "--device", "cpu", "--tiny", "--seed", 7)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "out", done.stdout, environment


def test_every_stage_runs_without_optional_packages(bare_day):
    folder, said, _ = bare_day
    records = Records(folder)
    assert records.day["seed"] == 7
    assert "seed 7" in said
    assert not records.running
    for name in STAGES:
        stage = records.stage(name)
        assert stage["entries"]
        assert records.left_out(name) == []
        assert {entry["state"] for entry in stage["entries"].values()} <= {"done", "not offered"}
    checked = records.stage("kernels")["entries"]
    for dtype in ("float64", "float32", "bfloat16", "float16"):
        for name in ("interpolate", "gram", "interpolate, seeded", "gram, seeded", "draw"):
            assert checked[f"{name}, {dtype}, torch"]["found"]["cases"] > 50
    points = records.stage("points")["entries"]
    assert {title.partition(": ")[0] for title in points} > {"language-model, float32", "mlp, bfloat16"}
    for label in ("naive loop", "loop", "vmap", "channels last", "compiled", "max-autotune loop in a CUDA graph"):
        assert points[f"mlp, float32: {label}"]["found"]["ms a point"] > 0
    tolerated = [entry for name, entry in records.stage("surfaces")["entries"].items() if "tolerance" in name]
    assert [entry["error"] for entry in tolerated] == ["a tolerance needs scipy, which is not installed here"]


def test_the_tables_say_what_was_found(bare_day):
    folder, said, _ = bare_day
    text = (folder / "table.md").read_text()
    assert text.strip() in said
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == list(STAGES.values())
    assert "| interpolate | torch |" in text
    assert "| mlp, float32 |" in text
    assert "tiny sizes, which say nothing about speed" in text


def test_what_is_done_is_not_done_again(bare_day):
    folder, _, environment = bare_day
    before = {name: (folder / f"{name}.json").read_bytes() for name in STAGES}
    (folder / "memory.json").write_bytes(before["memory"][:-100])  # as a machine leaves it that loses its power
    again = run(environment, "-m", "benchmarks.gpu", "--out", folder, "--device", "cpu", "--tiny", "--seed", 8)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "seed 7" in again.stdout
    done = [line.partition(":")[0] for line in again.stdout.splitlines() if ": done" in line]
    assert set(done) == {"memory"}
    for name in STAGES:
        if name != "memory":
            assert (folder / f"{name}.json").read_bytes() == before[name]
    assert Records(folder).stage("memory")["entries"].keys() == json.loads(before["memory"])["entries"].keys()


def test_without_time_all_is_left_out_and_said(bare_day, tmp_path):
    line = ["-m", "benchmarks.gpu", "--out", tmp_path, "--device", "cpu", "--tiny", "--minutes", 0]
    done = run(bare_day[2], *line)
    assert done.returncode == 0, done.stdout + done.stderr
    records = Records(tmp_path)
    assert all(records.left_out(name) and not records.stage(name)["entries"] for name in STAGES)
    left = sum(len(records.left_out(name)) for name in STAGES)
    assert f"0 failed or wrong, {left} left out because time ran out." in done.stdout
    assert (tmp_path / "table.md").read_text().count("Left out because time ran out") == len(STAGES)


def test_a_plain_surface_needs_no_optional_package(tmp_path):
    program = (
        "import sys, torch, fastscape\nfrom fastscape.zoo import models\n"
        "data = torch.rand(6, 1, 28, 28), torch.randint(10, (6,))\n"
        "axis = (-1, 1, 12)\n"
        "for plan in ('auto', fastscape.Plan('loop')):\n"
        "    surface = fastscape.surface(models.build('mlp', seed=0), data, x=axis, y=axis, plan=plan)\n"
        "print(surface.loss.shape, [m for m in sys.argv[1:] if m in sys.modules])"
    )
    done = run(bare(tmp_path / "blocked"), "-c", program, *BLOCKED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(12, 12) []"


def entry(log: Path, name: str, seconds: float = 0.01, rank: int = 0, error: Exception | None = None) -> Entry:
    def measure():
        with log.open("a") as file:
            file.write(f"{name}\n")
        if error is not None:
            raise error
        return {"value": name, "wrong": name == "wrong"}

    return Entry(name, measure, seconds, rank)


@pytest.fixture
def records(tmp_path):
    made = Records(tmp_path / "out")
    made.begin(ABOUT)
    return made


def test_entries_are_done_by_their_worth_as_long_as_there_is_time(records, tmp_path, capsys):
    log = tmp_path / "log"
    stages = {
        "card": lambda _: [entry(log, "later", rank=1), entry(log, "first"), entry(log, "too long", 1000)],
        "kernels": lambda _: [entry(log, "second")],
    }
    assert worker.work(SETTING, records, time.time() + 60, stages) == 0
    assert log.read_text().split() == ["first", "second", "later"]
    assert records.left_out("card") == ["too long"]
    assert "left out because time ran out: 1" in capsys.readouterr().out
    assert worker.work(SETTING, records, time.time() + 2000, stages) == 0
    assert log.read_text().split("\n")[3:-1] == ["too long"]


@pytest.mark.usefixtures("_quiet")
def test_what_fails_takes_nothing_else_down(records, tmp_path):
    log = tmp_path / "log"

    def raising(_):
        raise OSError("no such card")

    errors = {
        "out": torch.OutOfMemoryError("too much"),
        "odd": ZeroDivisionError("by 0"),
        "none": NotOfferedError("no"),
    }
    entries = [
        *(entry(log, name, error=error) for name, error in errors.items()),
        entry(log, "wrong"),
        entry(log, "ok"),
    ]
    worker.work(SETTING, records, time.time() + 60, {"card": raising, "kernels": lambda _: entries})
    assert records.stage("card")["error"] == "OSError: no such card"
    found = records.stage("kernels")["entries"]
    assert {name: result["state"] for name, result in found.items()} == {
        "out": "failed", "odd": "failed", "none": "not offered", "wrong": "wrong", "ok": "done",
    }  # fmt: skip
    assert found["out"]["error"] == "OutOfMemoryError: too much"
    assert day.failures(records) == 4
    text = table.table({**table.merged(records), "stages": {"card": table.merged(records)["stages"]["card"]}})
    assert "The stage could not be begun: OSError: no such card" in text
    records.forget("kernels", ("failed", "wrong"))
    assert records.left_out("kernels") == ["out", "odd", "wrong"]
    worker.work(SETTING, records, time.time() + 60, {"card": lambda _: [entry(log, "well")]})
    assert "error" not in records.stage("card")


@pytest.fixture
def _quiet(monkeypatch):
    monkeypatch.setattr(worker, "_complain", lambda: None)


PROGRAM = """
import os, sys, time, torch
from pathlib import Path
from benchmarks.gpu import worker
from benchmarks.gpu.records import Records
from benchmarks.gpu.setting import Entry, Setting

def doing(name):
    with open(sys.argv[2], "a") as file:
        file.write(name + "\\n")
    exec({"dies": "os._exit(3)", "hangs": "time.sleep(600)", "waits": "time.sleep(600)"}.get(name, "pass"))
    return {}

names = sys.argv[3:]
worker._end_with(os.getppid())
worker.LONGEST, worker.MINUTE = 1.0, 0.5
entries = [Entry(name, lambda name=name: doing(name), 0.5 if name == "hangs" else 1000.0) for name in names]
stages = {"card": lambda _: entries}
sys.exit(worker.work(Setting(torch.device("cpu"), True, 0), Records(Path(sys.argv[1])), time.time() + 5000, stages))
"""


def started(records: Records, log: Path, *names: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-c", PROGRAM, str(records.folder), str(log), *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, env=environment, preexec_fn=os.setpgrp)


def test_an_entry_that_ends_its_process_or_hangs_is_noted_and_the_next_goes_on(records, tmp_path, capsys):
    log = tmp_path / "log"
    start = partial(started, records, log, "one", "dies", "two", "hangs", "three")
    assert day.watched(start, records, time.time() + 300) == 0
    assert log.read_text().split() == ["one", "dies", "two", "hangs", "three"]
    found = records.stage("card")["entries"]
    assert [found[name]["state"] for name in ("one", "two", "three")] == ["done"] * 3
    assert found["dies"]["error"] == "its process ended with 3"
    assert "it was ended after" in found["hangs"]["error"]
    assert "card: hangs: failed: it was ended after" in capsys.readouterr().out


def test_after_a_kill_in_the_middle_of_a_stage_the_rest_is_done(records, tmp_path):
    log = tmp_path / "log"
    process = started(records, log, "one", "waits", "two")
    until = time.time() + 120
    while records.running.get("entry") != "waits" and time.time() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(records.stage("card")["entries"]) == ["one"]
    stages = {"card": lambda _: [entry(log, name) for name in ("one", "waits", "two")]}
    assert worker.work(SETTING, records, time.time() + 60, stages) == 0
    assert log.read_text().split() == ["one", "waits", "waits", "two"]
    assert not records.running


def test_an_entry_that_runs_when_the_time_is_over_is_left_out(records, tmp_path, capsys):
    log = tmp_path / "log"
    until = []

    class Patient:
        """The time is over as soon as the entry runs."""

        def __lt__(self, now):
            return bool(records.running) or now > until[0]

    until.append(time.time() + 120)
    assert day.watched(partial(started, records, log, "waits"), records, Patient()) == 0
    assert records.left_out("card") == ["waits"]
    assert not records.running
    assert "ended because time ran out: card: waits" in capsys.readouterr().out
    records.cut("card", "waits", 400)  # seconds, of which it had not enough
    stages = {"card": lambda _: [entry(log, "waits", 500)]}
    worker.work(SETTING, records, time.time() + 550, stages)
    assert records.left_out("card") == ["waits"]
    worker.work(SETTING, records, time.time() + 650, stages)
    assert records.left_out("card") == []


def test_a_process_that_ends_outside_of_an_entry_is_no_entrys_fault(records):
    def start():
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(9)"], preexec_fn=os.setpgrp)

    assert day.watched(start, records, time.time() + 60) == 9


def test_a_device_that_no_longer_works_is_started_anew(records, tmp_path, monkeypatch):
    log = tmp_path / "log"
    stages = {"card": lambda _: [entry(log, "one"), entry(log, "two")]}
    monkeypatch.setattr(torch, "ones", lambda *_, **__: 1 / 0)
    assert worker.work(SETTING, records, time.time() + 60, stages) == day.AGAIN
    assert list(records.stage("card")["entries"]) == ["one"]


def test_a_folder_holds_results_of_one_thing(records):
    assert records.begin({**ABOUT, "seed": 5, "date": "tomorrow"}) == ABOUT
    with pytest.raises(RefusedError, match="holds results with source 'of today'; this is 'of tomorrow'"):
        records.begin({**ABOUT, "source": "of tomorrow"})
    records.put("card", "one", {"state": "done", "found": {}})
    (records.folder / "day.json").write_text("{")
    records.begin({**ABOUT, "seed": 5})
    assert records.stage("card")["entries"] == {}  # nobody knows of which seed they were


def test_a_refusal_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(worker, "_end_with", lambda _: None)
    line = ["--out", str(tmp_path), "--seed", "0", "--until", "0"]
    if not torch.cuda.is_available():
        assert worker.main([*line, "--device", "cuda"]) == day.REFUSED
        assert "torch finds no GPU here; write --device cpu --tiny" in capsys.readouterr().out
    Records(tmp_path).begin(ABOUT)
    assert worker.main([*line, "--device", "cpu", "--tiny"]) == day.REFUSED
    assert "Give another folder" in capsys.readouterr().out
    monkeypatch.setattr(
        day, "started", lambda _: subprocess.Popen([sys.executable, "-c", "exit(2)"], preexec_fn=os.setpgrp)
    )
    assert command.main(["--out", str(tmp_path)]) == day.REFUSED
    with pytest.raises(SystemExit):
        command.main([])


def test_single_stages_are_run(tmp_path, monkeypatch):
    told, ran = [], []
    monkeypatch.setattr(worker, "_end_with", lambda _: None)
    monkeypatch.setattr(worker, "work", lambda setting, records, until, stages: ran.extend(stages) or 0)

    def started(line):
        told.extend(line)
        worker.main(line)
        return subprocess.Popen([sys.executable, "-c", "exit(0)"], preexec_fn=os.setpgrp)

    monkeypatch.setattr(day, "started", started)
    monkeypatch.setattr(torch, "compile", torch.compile)  # which a tiny day replaces
    line = ["--out", str(tmp_path), "--device", "cpu", "--tiny", "--seed", "0", "--stages", "products", "card"]
    assert command.main(line) == 0
    assert told[-3:] == ["--stages", "products", "card"]
    assert ran == ["card", "products"]


def test_wrong_values_are_seen():
    truth = torch.tensor([1.0, 2.0], dtype=torch.float64)
    allowed = torch.full((2,), 0.1, dtype=torch.float64)
    cases = {"right": [1.05, 2.0], "far": [1.0, 2.2], "missing": [1.0, torch.nan], "endless": [torch.inf, 2.0]}
    for name, given in cases.items():
        worst = Worst()
        worst.take(torch.tensor(given), truth, allowed, name)
        assert worst.found()["wrong"] == (name != "right"), name
        assert worst.found()["case"] == name
    worst = Worst()
    worst.broken("beside")
    assert worst.found()["wrong"]


@pytest.mark.parametrize("name", ["interpolate", "gram", "draw"])
def test_kernels_with_a_defect_are_seen(name, monkeypatch):
    """One entry that is not written, and one that is off by a thousandth."""
    right = getattr(kernels, name)
    assert not kernels.CHECKS[name][0](SETTING, torch.float32, "torch")["wrong"]

    def off(*arguments, **options):
        made = right(*arguments, **options)
        if made.numel():
            made[(-1,) * made.dim()] *= 1.001
        return made

    monkeypatch.setattr(kernels, name, off)
    assert kernels.CHECKS[name][0](SETTING, torch.float32, "torch")["wrong"]
    if name == "draw":

        def forgetful(out, *arguments, **options):
            return right(out[:-1], *arguments, **options)

        monkeypatch.setattr(kernels, name, forgetful)
        assert kernels.CHECKS[name][0](SETTING, torch.float32, "torch")["wrong"]


def test_the_second_philox_gives_the_published_vectors():
    """The known answers that come with the paper's code."""
    pi, ones = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xFFFFFFFF,) * 4
    counters = np.array([(0, 0, 0, 0), pi, ones], dtype=np.uint64)
    keys = 0, 0x299F31D0A4093822, 2**64 - 1
    made = [tuple(philox.words(counters[k : k + 1], keys[k])[0].tolist()) for k in range(3)]
    assert made == [
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ]  # fmt: skip


def test_a_plan_is_offered_where_its_options_exist():
    problem, _ = setting_problem(SETTING, "mlp")
    assert offered(SETTING, {"batching": "loop", "microbatch": "all samples"}, problem) == Plan("loop", microbatch=8)
    with pytest.raises(NotOfferedError, match=r"fastscape\.Plan has no wings and no wheels"):
        offered(SETTING, {"batching": "loop", "wings": True, "wheels": 4}, problem)


@pytest.mark.parametrize("label", PLANS)
def test_every_plan_of_the_list_is_offered_or_said_not_to_be(label):
    """On a GPU all but those with options that are still to come; there `Plan` itself says what excludes what."""
    problem, _ = setting_problem(SETTING, "mlp")
    options = PLANS[label]
    known = {field.name for field in dataclasses.fields(Plan)}
    on_gpu = Setting(torch.device("cuda", 0), True, 0)
    if options.keys() <= known:
        assert offered(on_gpu, options, problem).as_dict().items() >= {**options, "microbatch": 8}.items()
    else:
        with pytest.raises(NotOfferedError, match=r"fastscape\.Plan has no"):
            offered(on_gpu, options, problem)
    if "graphs" in options or "overlap" in options:
        with pytest.raises(NotOfferedError, match=r"fastscape\.Plan has no|act on a GPU"):
            offered(SETTING, options, problem)


# Events of a profile: a launch on the CPU, and two kernels, in microseconds.
BUSY = (DeviceType.CPU, 100.0), (DeviceType.CUDA, 6.0), (DeviceType.CUDA, 8.0)


class Played(Setting):
    """A card that is played by the CPU."""

    gpu = property(lambda _: True)


class Event:
    """A mark in the time of a card that is played."""

    def __init__(self, enable_timing=False):
        self.timed = enable_timing

    def record(self):
        self.at = time.perf_counter()

    def elapsed_time(self, other):
        assert self.timed
        return 1e3 * (other.at - self.at)


@pytest.fixture
def _played(monkeypatch):
    """Of torch.cuda what the stages call, as a CPU can do it: a graph that is replayed does nothing."""
    about = {"name": "a card", "total_memory": 1 << 30, "multi_processor_count": 2, "major": 9, "minor": 0}
    card = SimpleNamespace(**about, L2_cache_size=1 << 12)
    stream = SimpleNamespace(wait_stream=lambda _: None)
    counted = [SimpleNamespace(device_type=kind, self_device_time_total=time) for kind, time in BUSY]
    watched = SimpleNamespace(key_averages=lambda: counted)
    doing = {
        "Event": Event, "_sleep": lambda _: None, "synchronize": lambda *_: None, "Stream": lambda _: stream,
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None), "graph": contextlib.nullcontext,
        "stream": contextlib.nullcontext, "current_stream": lambda _: stream, "empty_cache": lambda: None,
        "get_device_properties": lambda _: card, "mem_get_info": lambda _: (1 << 26, 1 << 30),
        "reset_peak_memory_stats": lambda _: None, "memory_allocated": lambda _: 1 << 20,
        "max_memory_allocated": lambda _: 3 << 20,
    }  # fmt: skip
    for name, value in doing.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(setting, "profile", lambda **_: contextlib.nullcontext(watched))
    monkeypatch.setattr(torch, "compile", worker._as_it_is)


@pytest.mark.usefixtures("_played")
def test_what_is_done_on_a_card_alone_runs_on_one_that_is_played():
    played = Played(torch.device("cpu"), True, 0)
    assert card.described(played)["card"] == "a card"
    assert card.copied(played)["GB/s"] > 0
    assert card.launched(played)["seconds of a launch in a graph"] >= 0
    (first, *_) = bandwidth.entries(played)
    found = first.run()
    assert found["of a copy, kernels alone"] == found["bytes"] / 14e-6 * 5 / 1e9 / found["copy GB/s"]
    assert 1 <= found["sets"] < bandwidth.SETS[1]
    made = memory.measured(played, "mlp", "float32", "loop")
    assert made["peak megabytes"] == (2 << 20) / 1e6
    assert made["of the prediction"] == made["peak megabytes"] / made["predicted megabytes"]
    done = []
    replay = baselines._captured(lambda: done.append(1), torch.device("cuda"))
    assert len(done) == baselines.WARM + 1
    replay()
    assert len(done) == baselines.WARM + 1
    titles = [entry.name for entry in kernels.entries(played)]
    assert {"interpolate, float32, triton", "interpolate, float32, torch"} <= set(titles)
    assert worker._freed(played)


def test_entries_have_names_of_their_own_and_end_in_one_day():
    """In full size, on a card; the first ranks, with what is expected of them, fit into one call."""
    played = Played(torch.device("cuda", 0), False, 0)
    ranks = []
    for name, entries in worker.listed().items():
        own = list(entries(played))
        assert len({entry.name for entry in own}) == len(own), name
        ranks += own
    assert sum(entry.seconds for entry in ranks if entry.rank <= 1) < 60 * 9
    titles = {entry.name for entry in ranks}
    for network in models.MODELS:
        problem = {"mnist-cnn": "cnn"}.get(network, network)
        for label in (*PLANS, "naive loop", "max-autotune loop in a CUDA graph"):
            assert {f"{problem}, float32: {label}", f"{problem}, bfloat16: {label}"} <= titles


def test_an_inequality_with_the_cpu_is_seen(monkeypatch):
    assert not surfaces.equal(SETTING, "mlp")["wrong"]
    right = fastscape.surface

    def off(*arguments, **options):
        loss = right(*arguments, **options).loss
        return SimpleNamespace(loss=loss + 100 * FLOAT32 * np.ptp(loss))

    monkeypatch.setattr(fastscape, "surface", off)
    assert surfaces.equal(SETTING, "mlp")["wrong"]


def found_on(device: str, *, tiny: bool) -> dict:
    entries = {"copy": {"state": "done", "found": {"GB/s": 3000.0}}}
    stages = {name: {"planned": {}, "entries": {}, "left_out": []} for name in STAGES}
    stages["card"] = {"planned": {"copy": 1.0}, "entries": entries, "left_out": []}
    return {"day": {**ABOUT, "device": device, "processor": "Card X-1", "tiny": tiny}, "stages": stages}


def test_the_page_says_that_nothing_was_measured_until_a_card_was():
    assert table.section([]) == f"## On a GPU\n\n{table.NOTHING}"
    assert table.section([found_on("cpu", tiny=False), found_on("cuda", tiny=True)]) == table.section([])
    told = table.section([found_on("cuda", tiny=False)])
    assert table.NOTHING not in told
    assert "### Card X-1" in told
    assert "| copy | GB/s 3,000 |" in told
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert f"{table.START}\n\n{table.section()}\n\n{table.STOP}" in page
    assert any(map(table.real, table.committed())) or table.NOTHING in page


def test_results_of_a_card_are_kept_and_put_into_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    page, folder = tmp_path / "page.md", tmp_path / "out"
    page.write_text(f"before\n{table.START}\nold\n{table.STOP}\nafter")
    records = Records(folder)
    records.begin({**ABOUT, "device": "cpu", "tiny": False})
    assert command.report(folder, page) == day.REFUSED
    assert "holds no results of a GPU in full size" in capsys.readouterr().err
    (folder / "day.json").unlink()
    records.begin({**ABOUT, "device": "cuda", "processor": "Card X-1", "tiny": False})
    records.plan("card", {"copy": 1.0})
    records.put("card", "copy", {"state": "done", "found": {"GB/s": 3000.0}})
    assert command.report(folder, page) == 0
    assert (tmp_path / "gpu-card-x-1.json").exists()
    text = page.read_text()
    assert text.startswith(f"before\n{table.START}\n\n## On a GPU\n\n### Card X-1")
    assert text.endswith(f"{table.STOP}\nafter")
    assert "old" not in text


def test_what_was_known_of_a_card_stays_beside_what_is_measured_later(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"{table.START}{table.STOP}")
    about = {**ABOUT, "device": "cuda", "processor": "Card X-1", "tiny": False}
    for commit, rates in {"first": {"copy": 1.0, "product": 2.0}, "second": {"copy": 3.0}}.items():
        records = Records(tmp_path / commit)
        records.begin({**about, "commit": commit})
        records.plan("card", dict.fromkeys((*rates, "launches"), 1.0))
        for name, rate in rates.items():
            records.put("card", name, {"state": "done", "found": {"rate": rate}})
        assert command.report(records.folder, page) == 0
    (kept,) = table.committed()
    entries = kept["stages"]["card"]["entries"]
    assert {name: (entry["found"]["rate"], entry["commit"]) for name, entry in entries.items()} == {
        "copy": (3.0, "second"), "product": (2.0, "first"),
    }  # fmt: skip
    assert kept["stages"]["card"]["left_out"] == ["launches"]
    assert "; commit second (card), commit first (card), today" in page.read_text()


def test_what_is_known_of_a_card_comes_last(records, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    log = tmp_path / "log"
    kept = table.merged(records)
    kept["stages"]["card"]["entries"] = {"known": {"state": "done", "found": {}}}
    table.file_of(kept).write_text(json.dumps(kept))
    stages = {"card": lambda _: [entry(log, "known"), entry(log, "new", rank=5)]}
    assert worker.work(SETTING, records, time.time() + 60, stages) == 0
    assert log.read_text().split() == ["new", "known"]


def test_only_the_stages_that_are_named_are_measured(bare_day, tmp_path):
    line = ["-m", "benchmarks.gpu", "--out", tmp_path, "--device", "cpu", "--tiny", "--stages", "card", "bandwidth"]
    done = run(bare_day[2], *line)
    assert done.returncode == 0, done.stdout + done.stderr
    records = Records(tmp_path)
    assert [name for name in STAGES if records.stage(name)["entries"]] == ["card", "bandwidth"]
    assert not records.stage("points")["planned"]


def test_the_whole_page_keeps_the_section():
    results = {"problems": {}, "versions": {"torch": "2"}, "processor": "a processor", "threads": 2}
    assert f"{table.START}\n\n{table.section()}\n\n{table.STOP}" in report.page(results)


@pytest.mark.parametrize(
    ("truth", "ours", "wrong"),
    [
        ([1.0, 3.0], [1.0, 3.0], False),
        ([1.0, 3.0], [1.0, 3.0 + 1e-6], True),
        ([2.0], [2.0 + 1e-6], True),  # without a range, a share of the value
        ([0.0, 0.0], [0.0, 1e-6], True),
        ([1.0, 2.0, np.inf], [1.0, 2.0, np.inf], False),
        ([1.0, 2.0, np.inf], [1.0, 2.1, np.inf], True),  # an infinite value hides no other
        ([1.0, 2.0, np.inf], [1.0, 2.0, -np.inf], True),
        ([1.0, 2.0, np.inf], [1.0, 2.0, 3.0], True),
        ([1.0, 2.0, 3.0], [1.0, 2.0, np.nan], True),
        ([1.0, np.nan], [1.0, np.nan], False),
        ([np.nan], [np.nan], False),
        ([np.nan], [np.inf], True),
        ([1.0, 2.0], [1.0, 2.0, 3.0], True),
    ],
)
def test_values_of_a_card_that_differ_are_wrong(truth, ours, wrong):
    found = values.compared(SETTING, "mlp", lambda _, card: [np.array(ours if card else truth)], 1e-9)
    assert found["wrong"] == wrong


def test_what_an_entry_of_values_lacks_is_said():
    def without(problem, card):
        raise ImportError("zarr is not installed")

    with pytest.raises(NotOfferedError, match="zarr is not installed"):
        values.compared(SETTING, "mlp", without, 1e-9)
