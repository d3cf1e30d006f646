"""Every plan on a GPU that is not there: no operation on two devices, no wait inside a chunk, counted operations.

Nothing here says how long anything takes.
"""

import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from pretended import MODELS, Log, costs, counted, layout_for, own_operations, pretended, problem_on_gpu, space_on_gpu

from fastscape import Plan
from fastscape.engine import engine_for, gpu_rules
from fastscape.weights import layout_of

PLANS = {
    "loop": Plan("loop", 4),
    "channels last": Plan("loop", 4, memory_format="channels_last"),
    "overlap": Plan("loop", 4, overlap=True),
    "graphs": Plan("loop", 4, graphs=True),
    "vmap": Plan("vmap", 4),
    "hoisted": Plan("vmap", 4, hoist=True),
}

# Operations of a GPU that come on top of those of the model itself: in a loop for each chunk, for each point, and for
# each microbatch at each point; a replay counts as one operation. Views and memory are not counted.
BESIDE = {
    "loop": (2, 2, 5),  # weights, table of points; join, sum; loss and sums of the measures
    "channels last": (2, 2, 5),
    "overlap": (2, 2, 5),
    "graphs": (2, 1, 4),  # weights, sum; weights to their place; inputs and targets to theirs, replay, sums
}
# Under vmap: all operations of a chunk, beside those of a microbatch for all points.
VMAPPED = {
    "MLP": {"vmap": (3, 30), "hoisted": (4, 28)},
    "LeNet": {"vmap": (3, 35), "hoisted": (4, 33)},
    "ResNet-20": {"vmap": (3, 269), "hoisted": (4, 267)},
    "encoder": {"vmap": (3, 90), "hoisted": (4, 85)},
}
# Linear layers behind the first one; those of attention are one function of torch.
PRODUCTS = {"MLP": 2, "LeNet": 1, "ResNet-20": 1, "encoder": 5}
RANGES = 9  # launches of the interpolation in a chunk, for what products leave to it
SCHEME = 48  # of a chunk, for the coefficients of many filters
OWN = {"MLP": 5, "LeNet": 7, "ResNet-20": 77, "encoder": 5}


@pytest.mark.parametrize("name", MODELS)
def test_the_operations_of_a_model_itself(name):
    assert own_operations(name) <= OWN[name]


@pytest.mark.parametrize(
    ("name", "plan"), [(n, p) for n in MODELS for p in BESIDE if n in ("MLP", "LeNet") or p in ("loop", "graphs")]
)
def test_a_loop_adds_a_counted_number_of_operations(name, plan):
    found = costs(name, PLANS[plan])
    own = 0 if plan == "graphs" else own_operations(name)
    chunk, point, microbatch = BESIDE[plan]
    one_more = plan == "channels last" and name == "LeNet"  # its flatten copies
    assert found == {
        "chunk": chunk, "point": point, "microbatch": own + microbatch + one_more, "sent": 1, "waits": 0,
    }  # fmt: skip


@pytest.mark.parametrize("plan", ["vmap", "hoisted"])
@pytest.mark.parametrize("name", MODELS)
def test_vmap_gives_all_points_to_a_counted_number_of_operations(name, plan):
    found = costs(name, PLANS[plan])
    chunk, microbatch = VMAPPED[name][plan]
    assert (found["chunk"], found["point"], found["sent"], found["waits"]) == (chunk, 0, 1, 0)
    assert found["microbatch"] <= microbatch


@pytest.mark.parametrize("method", ["shared", "fused"])
@pytest.mark.parametrize("name", MODELS)
def test_products_of_all_points_are_one_operation_a_layer(name, method):
    hoisted, _ = counted(name, PLANS["hoisted"], 2, 2)
    watch, log = counted(name, Plan("vmap", 4, hoist=True, products=method), 2, 2)
    assert (watch.copies["to the GPU"], watch.waits) == (1, [])
    assert watch.done["perturbed_linear"] == sum(said.startswith(method) for said in log.said) == 2 * PRODUCTS[name]
    assert watch.operations <= hoisted.operations
    assert sum(": weights of" in said for said in log.said) <= RANGES


@pytest.mark.parametrize("overlap", [False, True])
def test_on_a_gpu_the_kernels_say_which_layers_are_computed_without_weights(overlap):
    """Here layers of less than four rows: those of three samples, and not those of five tokens each."""
    for name, found in {"MLP": 2 * PRODUCTS["MLP"], "encoder": 2}.items():
        watch, _ = counted(name, Plan("vmap", 4, hoist=True, products="auto", overlap=overlap), 2, 2)
        assert (watch.done["perturbed_linear"], watch.waits) == (found, [])


@pytest.mark.parametrize("plan", ["graphs", "overlap", "hoisted"])
@pytest.mark.parametrize("scheme", ["barycentric", "linear2x", "bilinear"])
def test_coefficients_of_many_filters_are_computed_where_they_are_needed(scheme, plan):
    watch, _ = counted("MLP", PLANS[plan], 2, 2, scheme=scheme)
    assert (watch.copies["to the GPU"], watch.waits) == (1, [])
    if plan != "hoisted":  # which also takes those of each layer apart
        assert watch.operations <= counted("MLP", PLANS[plan], 2, 2)[0].operations + SCHEME


@pytest.mark.parametrize("plan", ["loop", "graphs"])
@pytest.mark.parametrize("name", MODELS)
def test_half_precision(name, plan):
    watch, _ = counted(name, PLANS[plan], 2, 2, precision="bfloat16")
    assert watch.waits == []


def test_the_page_on_plans_has_these_numbers():
    page = (Path(__file__).parents[2] / "docs" / "plans.md").read_text()
    for name, title in {
        "MLP": "MLP",
        "LeNet": "CNN like LeNet",
        "ResNet-20": "ResNet-20",
        "encoder": "transformer",
    }.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {title}") and "samples" not in line)
        (chunk, each), (hoisted_chunk, hoisted) = VMAPPED[name]["vmap"], VMAPPED[name]["hoisted"]
        numbers = [int(number) for number in re.findall(r"\d+", row.split("|", 2)[2])]
        assert [n for n in numbers if n != 1] == [OWN[name], each, chunk, hoisted, hoisted_chunk], row
    for plan in ("loop", "graphs"):
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {plan}") and line.endswith("| 1 | 0 |"))
        assert tuple(map(int, re.findall(r"\| (\d+)", row)))[:3] == BESIDE[plan]
    assert f"up to {SCHEME} operations a chunk" in page


def test_what_reads_a_number_back_is_seen():
    log = Log()
    with pretended(log) as watch:
        tensor = torch.empty(3, device="cuda")
        with watch:
            tensor.cpu()
            torch.empty(3).to("cuda")
            with pytest.raises(RuntimeError):
                tensor.sum().item()
            with pytest.raises(RuntimeError):
                tensor + torch.empty(3)
    assert watch.waits == ["_to_copy ['cuda'] -> ['cpu']", "_to_copy ['cpu'] -> ['cuda']"]


def test_weights_are_made_on_the_second_stream_after_their_memory_was_read():
    layout, log = layout_for("MLP"), Log()
    with pretended(log):
        problem = problem_on_gpu("MLP", [3])
        engine = engine_for(problem, space_on_gpu(layout), PLANS["overlap"])
        assert log.said == ["second waits for main"]
        for points in (2, 2, 2, 1):
            engine.sums(torch.empty(points, 2, dtype=torch.float64))
    assert log.said[1:] == [
        "second: weights of 2", "main waits for second", "main: event 0 marked",
        "second: weights of 2", "main waits for second", "main: event 1 marked",
        "second waits for event 0", "second: weights of 2", "main waits for second", "main: event 2 marked",
        "second waits for event 1", "second: weights of 1", "main waits for second", "main: event 3 marked",
    ]  # fmt: skip


def test_one_graph_for_each_shape_of_a_microbatch():
    layout, log = layout_for("MLP"), Log()
    with pretended(log) as watch:
        problem = problem_on_gpu("MLP", [3, 3, 2, 3])
        engine = engine_for(problem, space_on_gpu(layout), PLANS["graphs"])
        points = torch.empty(2, 2, dtype=torch.float64)
        engine.sums(points)
        with watch:
            engine.sums(points)
        assert (log.said.count("captured"), watch.done["replay"]) == (2, 16)
        # To its place go the weights of each point, three pairs of samples, and four sums; the last pair is in place.
        assert watch.done["copy_"] == 2 * (1 + 3 * 2 + 4)
        engine.exchange(problem_on_gpu("MLP", [2, 2]))
        assert log.said.count("forgotten") == 2
        engine.sums(points)
        assert log.said.count("captured") == 3
        engine.close()
        assert log.said.count("forgotten") == 3


def test_recurrent_layers_of_a_gpu_are_not_mapped():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.LSTM(4, 3)

    layout = layout_of(Recurrent(), "all")
    assert layout.segments.size
    with pretended(Log()):
        problem = problem_on_gpu(Recurrent(), [3])
        space = space_on_gpu(layout)
        with pytest.raises(ValueError, match="take the weights of one point; write batching='loop'"):
            engine_for(problem, space, PLANS["vmap"])
        assert problem.layers.recurrent
        found = [plan for _, plan in gpu_rules.alternatives_on_gpu(lambda: PLANS["loop"], problem, lambda: None)]
        assert all(plan is None or plan.batching == "loop" for plan in found)
