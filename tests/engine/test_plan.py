"""Plans: their rules, and what happens to models that vmap cannot batch."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.engine import plan_rules
from fastscape.engine.layers import products
from fastscape.engine.plan_rules import SMALL_BYTES, plan_fixed, plan_looped, plan_shared, plan_sized
from fastscape.model import layers_of

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batching": "scan"}, "batching must be 'auto' or 'vmap' or 'loop' or 'layers'.*, got 'scan'"),
        ({"kernels": "cuda"}, "kernels must be 'auto' or 'torch' or 'triton'.*, got 'cuda'"),
        ({"chunk": -1}, "chunk must be an integer of at least 0.*, got -1"),
        ({"chunk": 2.0}, "chunk must be .*, got 2.0"),
        ({"microbatch": True}, "microbatch must be .*, got True"),
        ({"workers": 0}, "workers must be an integer of at least 1.*, got 0"),
        ({"memory_format": "nhwc"}, "must be 'contiguous' or 'channels_last'"),
        ({"compile": 1}, "compile must be True or False.*, got 1"),
        ({"batching": "vmap", "compile": True}, "write batching='loop'"),
        ({"hoist": True}, "write batching='vmap', or compile=True"),
        ({"workers": 2, "compile": True}, "write workers=1"),
        ({"graphs": 1}, "graphs must be True or False.*, got 1"),
        ({"overlap": None}, "overlap must be True or False.*, got None"),
        (
            {"products": "batched"},
            "products must be 'materialised' or 'shared' or.*, got 'batched'",
        ),
        (
            {"products": "shared"},
            "products='shared' needs many points at once; write Plan",
        ),
        ({"batching": "auto", "products": "auto"}, "needs many points at once; write Plan"),
        ({"batching": "vmap", "graphs": True}, "with graphs=True write batching='loop', hoist=False and workers=1"),
        ({"workers": 2, "graphs": True}, "with graphs=True write batching='loop', hoist=False and workers=1"),
        ({"hoist": True, "compile": True, "graphs": True}, "with graphs=True write batching='loop', hoist=False"),
        ({"batching": "layers", "compile": True}, "with batching='layers' write compile=False"),
        ({"batching": "layers", "hoist": True}, "hoist=False"),
        ({"batching": "layers", "graphs": True}, "graphs=False"),
        ({"batching": "layers", "overlap": True}, "overlap=False"),
        ({"batching": "layers", "workers": 2}, "with batching='layers' write workers=1"),
    ],
)
def test_a_bad_plan_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Plan(**{"batching": "loop", "chunk": 1, **options})


def test_fixed_rules():
    dense, convolutional = layers_of(nn.Linear(3, 2)), layers_of(nn.Conv1d(1, 1, 1))
    images = layers_of(nn.Sequential(nn.Conv2d(1, 1, 1)))
    fixed = {"device": CPU, "dtype": torch.float32}
    assert plan_fixed(dense, 16, **fixed) == Plan("vmap", chunk=512, hoist=True)
    assert plan_fixed(dense, 16, **fixed, low_memory=True) == Plan("vmap", chunk=512)
    assert plan_fixed(convolutional, 16, **fixed) == Plan("loop", chunk=16)
    assert plan_fixed(images, 16, **fixed) == Plan("loop", chunk=16, memory_format="channels_last")
    assert plan_fixed(images, 16, **fixed, low_memory=True) == Plan("loop", chunk=16)
    assert plan_fixed(images, 16, device=CPU, dtype=torch.float64) == Plan("loop", chunk=16)
    gpu = {**fixed, "device": torch.device("cuda")}
    assert plan_fixed(images, 16, **gpu) == Plan("loop", chunk=16)
    assert plan_fixed(dense, 16, **gpu) == Plan("vmap", chunk=512, hoist=True)
    recurrent = layers_of(nn.LSTM(3, 2))
    assert plan_fixed(recurrent, 16, **gpu) == Plan("loop", chunk=16)
    assert plan_fixed(recurrent, 16, **fixed) == Plan("loop", chunk=16)


def test_large_activations_are_evaluated_in_a_loop():
    small = Plan("vmap", chunk=32, microbatch=5, hoist=True)
    assert plan_sized(small, SMALL_BYTES, 9) == small
    assert plan_sized(small, SMALL_BYTES + 1, 9) == Plan("loop", chunk=16, microbatch=5)
    assert plan_sized(Plan("vmap", chunk=3), 1 << 30, 9).chunk == 3
    looped = Plan("loop", chunk=128)
    assert plan_sized(looped, 1 << 30, 9) == looped


def test_a_chunk_of_vmap_leaves_points_to_plan_by_and_activations_small():
    plan = Plan("vmap", chunk=512, hoist=True)
    chunks = {
        (widest, points): plan_sized(plan, widest, points).chunk
        for widest in (0, 64 << 10, SMALL_BYTES)
        for points in (1, 961, 10**6)
    }
    assert chunks == {
        (0, 1): 32, (0, 961): 192, (0, 10**6): 512,
        (64 << 10, 1): 32, (64 << 10, 961): 192, (64 << 10, 10**6): 256,
        (SMALL_BYTES, 1): 32, (SMALL_BYTES, 961): 64, (SMALL_BYTES, 10**6): 64,
    }  # fmt: skip


def test_every_process_gets_a_few_chunks():
    plan = Plan("loop", chunk=16)
    chunks = [plan_shared(plan, 2601, processes).chunk for processes in (1, 8, 32, 100, 1000)]
    assert chunks == [16, 16, 16, 5, 1]


def test_a_loop_in_the_place_of_vmap_has_the_chunk_of_a_loop():
    assert plan_looped(Plan("vmap", chunk=512, microbatch=5, hoist=True)) == Plan("loop", chunk=16, microbatch=5)
    assert plan_looped(Plan("vmap", chunk=3)) == Plan("loop", chunk=3)
    assert plan_looped(Plan("vmap", chunk=3, products="shared")) == Plan("loop", chunk=3)
    given = Plan("loop", chunk=128)
    assert plan_looped(given) is given


def test_a_chunk_fits_its_memory():
    model = layers_of(nn.Conv1d(1, 1, 1))
    assert plan_fixed(model, 26_500_000, device=CPU, dtype=torch.float32).chunk == 5
    assert plan_fixed(model, 26_500_000, device=CPU, dtype=torch.float64).chunk == 2
    assert plan_fixed(model, 10**12, device=CPU, dtype=torch.float32).chunk == 1


def test_a_plan_is_saved_and_loaded(tmp_path):
    plan = Plan("loop", 3, 5, "torch", "channels_last", workers=2)
    assert Plan.load(plan.save(tmp_path / "new" / "plan.json")) == plan


def test_a_plan_of_before_is_loaded(tmp_path):
    """From when there were neither graphs, nor weights made ahead, nor products without weights."""
    (tmp_path / "plan.json").write_text('{"batching": "loop", "chunk": 3, "microbatch": 5, "compile": true}')
    assert Plan.load(tmp_path / "plan.json") == Plan("loop", 3, 5, compile=True, graphs=False, overlap=False)
    assert Plan.load(tmp_path / "plan.json").products == "materialised"


def test_plans_of_a_gpu_are_not_plain():
    assert Plan("loop", 3).plain
    assert not Plan("loop", 3, graphs=True).plain
    assert not Plan("loop", 3, overlap=True).plain


@pytest.mark.parametrize("text", ["no json", "[1]", '{"batching": "loop", "chunk": 1, "x": 2}'])
def test_what_is_no_plan_is_refused(text, tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="is no plan"):
        Plan.load(file)


class DataDependent(nn.Linear):
    """Branches on its weights, which vmap refuses."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        return out * 2 if self.weight.mean().item() > 0 else out


DATA = torch.rand(5, 3), torch.rand(5, 2)
SMALL = {"loss": F.mse_loss, "x": (-1, 1, 3), "y": (-1, 1, 2), "precision": "float64"}


def test_auto_falls_back_to_the_loop_and_the_report_says_why():
    model = DataDependent(3, 2)
    landscape = fastscape.surface(model, DATA, **SMALL)  # without a warning: they are errors here
    assert landscape.report["plan"]["batching"] == "loop"
    assert "RuntimeError" in landscape.report["fallback"]
    looped = fastscape.surface(model, DATA, plan=Plan("loop", 16), **SMALL)
    assert (looped.loss == landscape.loss).all()
    assert looped.report["fallback"] is None


def test_where_layers_of_all_points_fail_they_are_computed_point_by_point(monkeypatch):
    def failing(*given, **options):
        raise RuntimeError("no product")

    monkeypatch.setattr(products, "perturbed_linear", failing)
    fixed = plan_rules.plan_fixed
    monkeypatch.setattr(plan_rules, "plan_fixed", lambda *of, **how: replace(fixed(*of, **how), products="shared"))
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    landscape = fastscape.surface(model, DATA, **SMALL)
    assert landscape.report["plan"]["batching"] == "vmap"
    assert landscape.report["plan"]["products"] == "materialised"
    assert landscape.report["fallback"] == "RuntimeError: no product"


def test_a_named_plan_never_falls_back():
    with pytest.raises(RuntimeError, match="vmap"):
        fastscape.surface(DataDependent(3, 2), DATA, plan=Plan("vmap", 16), **SMALL)


def test_an_error_of_the_users_own_is_not_taken_for_a_fallback():
    def failing(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        fastscape.surface(nn.Linear(3, 2), DATA, **{**SMALL, "loss": failing})


def test_the_plan_is_in_the_report():
    landscape = fastscape.surface(nn.Linear(3, 2), DATA, plan=Plan("loop", 3, 2, "torch"), **SMALL)
    assert landscape.report["plan"] == Plan("loop", 3, 2, "torch").as_dict()
    assert landscape.report["plans_measured"] == []
    assert landscape.report["kernels"] == "torch"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 100_000, "it has more than 65536 bytes"),
        ("[" * 60_000, "it is nested more than 100 levels deep"),
        ('{"chunk":' * 120 + "1" + "}" * 120, "it is nested more than 100 levels deep"),
        ('{"chunk": NaN}', "chunk must be .*, got nan"),
        ('{"batching": ["loop"]}', r"batching must be .*, got \['loop'\]"),
        ('{"batching": "' + "a" * 10_000 + '"}', "batching must be .*, got 'a{100,190}"),
        ('{"chunk": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ("3", "it must be a JSON object with batching, chunk"),
    ],
)
def test_a_file_that_is_no_plan_is_named(content, said, tmp_path):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(ValueError, match=rf"plan\.json is no plan \({said}.*; give a file that Plan\.save") as error:
        Plan.load(tmp_path / "plan.json")
    assert len(str(error.value)) < len(str(tmp_path)) + 300
