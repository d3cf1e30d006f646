"""Points that go through a model together, block by block, have the values of a plain loop."""

import collections
import threading
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from law import directions_of
from torch import nn

import fastscape
from cases import EVERY, ODD
from fastscape import Plan
from fastscape.engine import block_weights, layer_major, lock_step, plan_rules
from fastscape.engine.block_weights import Sweep
from fastscape.engine.shared_state import SharedState
from fastscape.weights import BasisRows
from tolerance import assert_close
from untouched import assert_same, snapshot

GRID = {"x": (-1.0, 0.5, 3), "y": (-0.5, 1.0, 3), "progress": False, "precision": "float64"}
LAYERS = Plan("layers", 4, 4)
CHANGES = "loop", "no layers: an evaluation changes tensors, samples or the model"
ALONE = dict.fromkeys(
    ("GRU", "LSTM", "RNN both ways", "sequences of different lengths", "writes to its buffers"), CHANGES
)


@pytest.fixture(autouse=True)
def _no_thread_is_left_over():
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("fastscape")]


def surface(model, data, plan=LAYERS, **options):
    return fastscape.surface(model, data, plan=plan, **{**GRID, **options})


def both(model, data, plan=LAYERS, **options):
    """By layers and by a plain loop."""
    plain = Plan("loop", 1, plan.microbatch)
    return surface(model, data, plan, **options), surface(model, data, plain, **options)


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"vgg13", "resnet14-noshort"}))
def test_layers_give_the_values_of_a_plain_loop(name):
    case = EVERY[name]()
    options = {**case.options, "perturb": "all" if case.perturb == "weights" else case.perturb}
    found, plain = both(case.model, case.given, x=(-1, 0.5, 2), y=(-0.5, 1, 2), **options)
    assert_close(found.loss, plain.loss, 1e-12)
    assert (found.report["plan"]["batching"], found.report["fallback"]) == ALONE.get(name, ("layers", None))


@pytest.mark.parametrize("kind", ODD.values(), ids=ODD)
def test_models_that_keep_or_change_something(kind):
    model = kind()
    data = [(torch.randn(5, 4).double(), torch.arange(5) % 3), (torch.randn(4, 4).double(), torch.arange(4) % 3)]
    options = {"directions": directions_of(model), "precision": None}
    found, plain = both(model, data, **options)
    np.testing.assert_allclose(found.loss, plain.loss, rtol=1e-12)


@pytest.mark.parametrize(
    "plan",
    [
        Plan("layers", 1, 4),
        Plan("layers", 3, 64),
        Plan("layers", 16, 2),
        Plan("layers", 2, 4, memory_format="channels_last"),
    ],
    ids=["one point", "one batch", "small batches", "channels last"],
)
@pytest.mark.parametrize("options", [{}, {"low_memory": True}, {"scheme": "barycentric"}, {"repeats": 2}], ids=str)
def test_every_plan_in_layers(plan, options):
    options = dict(options)
    if options.get("low_memory") and plan.channels_last:
        plan = Plan("layers", 2, 3)
    case = EVERY["resnet8"]()
    found, plain = both(
        case.model, case.given, plan, loss=case.loss, perturb="all" if "scheme" in options else "states", **options
    )
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["fallback"] is None


def test_the_same_kernels_give_the_same_bits():
    """One point in a chunk, coefficients of their own for each filter."""
    case = EVERY["mlp"]()
    found, plain = both(case.model, case.given, Plan("layers", 1, 64), precision="float32", scheme="barycentric")
    assert (found.loss == plain.loss).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precisions(precision):
    case = EVERY["mlp"]()
    found, plain = both(case.model, case.given, precision=precision)
    assert_close(found.loss, plain.loss, 1e-5 if precision == "float32" else 1e-2)
    assert found.report["fallback"] is None


class Body(nn.Module):
    """A chain of blocks, and a way through it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first = nn.Linear(4, 6)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(6, 6), nn.Tanh()) for _ in range(4)])
        self.last = nn.Linear(6, 4, bias=False)
        self.offset = nn.Parameter(torch.randn(1, 6))
        if kind == "tied":
            self.last.weight = nn.Parameter(self.first.weight.detach().t().clone())
            self.again = nn.Linear(6, 4)
            self.again.weight = self.last.weight
        if kind == "a list of weights":
            self.kept = [self.last.weight, self.blocks[2][0].weight]
        if kind == "inside another":
            self.blocks[1].shared = self.blocks[3][0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        blocks = list(self.blocks)
        if self.kind == "twice":
            blocks = [*blocks[:2], blocks[1], blocks[1], *blocks[2:], blocks[0]]
        if self.kind == "another order":
            blocks = blocks[::-1]
        if self.kind == "early read":
            x = x + self.blocks[2][0].weight.norm() + self.last.weight.sum()
        x = torch.relu(self.first(x)) + self.offset
        for k, block in enumerate(blocks):
            if self.kind == "early exit" and float(x.mean()) > 0.1 * k:
                break
            if self.kind == "weights only":
                x = torch.tanh(F.linear(x, block[0].weight, block[0].bias))
            elif self.kind == "inside another" and k == 1:
                x = block[1](block[0](block.shared(x)))
            else:
                x = block(x)
            if self.kind == "between":
                x = x @ self.blocks[(k + 2) % 4][0].weight + self.offset
        if self.kind == "a list of weights":
            x = x @ self.kept[1]
            return x @ self.kept[0].T
        if self.kind == "tied":
            x = self.again(x) @ self.last.weight
        if self.kind == "a held view":
            view = self.offset[:, :2]
            x = self.blocks[0](x)
            x = x + view.sum()
        return self.last(x)


class Nested(nn.Module):
    """A block that calls another part in the middle, and reads weights of its parent."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.rand(4))
        self.blocks = nn.ModuleList([Calling(self) for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Calling(nn.Module):
    def __init__(self, parent: nn.Module) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(4, 4), nn.Linear(4, 4)
        self.parent = (parent,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (parent,) = self.parent
        x = torch.tanh(self.before(x)) * parent.scale
        return torch.tanh(self.after(parent.shared(x)))


X, Y = torch.randn(7, 4, dtype=torch.float64), torch.arange(7) % 4
WAYS = ["plain", "twice", "another order", "early read", "early exit", "weights only", "between", "tied",
        "a list of weights", "inside another", "a held view"]  # fmt: skip


@pytest.mark.parametrize("lend", [False, True])
@pytest.mark.parametrize("kind", WAYS)
def test_ways_through_a_chain(kind, lend):
    model = Body(kind).double()
    options = {"perturb": "all", "precision": None, "lend": lend}
    found, plain = both(model, (X, Y), **options)
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["fallback"] is None
    if kind == "early exit":
        assert np.ptp(plain.loss) > 0


@pytest.mark.parametrize("lend", [False, True])
def test_a_part_inside_of_a_part(lend):
    found, plain = both(Nested().double(), (X, Y), perturb="all", precision=None, lend=lend)
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["fallback"] is None


def test_a_lent_model_is_as_it_was():
    model = Body("tied").double()
    before, parameters = snapshot(model), list(map(id, model.parameters()))
    surface(model, (X, Y), perturb="all", precision=None, lend=True)
    assert_same(before, snapshot(model))
    assert list(map(id, model.parameters())) == parameters


def test_a_compiled_script_is_evaluated_in_a_loop():
    with pytest.warns((DeprecationWarning, FutureWarning), match="deprecated"):
        model = torch.jit.script(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 4)).double())
    found, plain = both(model, (X, Y), precision=None, lend=True)
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["fallback"] == "no layers: other weights cannot be put into this model"
    assert found.report["plan"]["batching"] == "loop"


def test_hooks_of_the_user_run_where_they_are():
    model, seen = Body("plain").double(), []

    def before(module, args):
        return (args[0] * module[0].weight.mean(),)

    def after(module, args, output):
        return output + module[0].weight[0, 0]

    model.blocks[1].register_forward_pre_hook(before)
    model.blocks[2].register_forward_hook(after)
    model.blocks[2].register_forward_hook(lambda *_: seen.append(1))
    found, plain = both(model, (X, Y))
    assert_close(found.loss, plain.loss, 1e-12)


def test_random_numbers_are_drawn_in_a_loop():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 4))
    found, plain = both(model, (X, Y), train_mode=True)
    assert (found.loss == plain.loss).all()
    assert found.report["fallback"] == "no layers: random numbers are drawn, in the order of the points"
    assert found.report["plan"]["batching"] == "loop"


def test_statistics_that_are_estimated_anew_are_those_of_a_loop():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    found, plain = both(model, (X, Y), batchnorm="recalibrate")
    assert_close(found.loss, plain.loss, 1e-12)
    assert "statistics" in found.report["fallback"]


ZERO = torch.zeros(1, dtype=torch.float64)


class Stashing(nn.Module):
    """Keeps something on itself while it runs, and nothing afterwards."""

    def __init__(self, before: torch.Tensor | None) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.seen = self.before = before

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.a(x)
        out = self.c(torch.tanh(self.b(x))) + self.seen
        self.seen = self.before
        return out


STASH = {"seen": ZERO}


class Elsewhere(Stashing):
    """Keeps it where nobody looks."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stash = globals()["STASH"]
        stash["seen"] = self.a(x)
        out = self.c(torch.tanh(self.b(x))) + stash["seen"]
        stash["seen"] = self.before
        return out


class Between(nn.Module):
    """Changes something between two blocks, and puts it back."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change, self.cache = change, {"scale": 1.0}
        self.noise = torch.Generator().manual_seed(0)
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.a(x)
        before = self.change(self, None)
        x = torch.tanh(self.b(x))
        self.change(self, before)
        return x


def cached(model, before):
    found, model.cache["scale"] = model.cache["scale"], 2.0 if before is None else before
    return found


def drawn(model, before):
    found = model.noise.get_state()
    if before is None:
        torch.randn(3, generator=model.noise)
    else:
        model.noise.set_state(before)
    return found


def seeded(_model, before):
    found = torch.get_rng_state()
    torch.default_generator.set_state(torch.Generator().manual_seed(3).get_state() if before is None else before)
    return found


def deterministic(_model, before):
    found = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(not found if before is None else before)
    return found


def rounded(_model, before):
    found = torch.backends.mkldnn.matmul.fp32_precision
    torch.backends.mkldnn.matmul.fp32_precision = "bf16" if before is None else before
    return found


CHANGED = {
    "cache.scale": cached,
    "noise": drawn,
    "a random number generator": seeded,
    "torch.use_deterministic_algorithms": deterministic,
    "the precision of float32 products": rounded,
}


@pytest.mark.parametrize("lend", [False, True])
@pytest.mark.parametrize("name", CHANGED)
def test_what_a_pass_changes_between_two_blocks_is_named(name, lend):
    found, plain = both(Between(CHANGED[name]).double(), (X, Y), precision=None, lend=lend)
    assert (found.loss == plain.loss).all()
    assert found.report["fallback"] == (
        f"no layers: Entangled: a pass changes {name} while it runs, and others would see it between two blocks"
    )
    assert found.report["plan"]["batching"] == "loop"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("keep", ["cpu", "disk"])
def test_recurrent_layers_whose_lists_of_weights_a_pass_makes_anew(keep, monkeypatch):
    monkeypatch.setattr(plan_rules, "free_memory", lambda device: 1 << 30)
    model, data = EVERY["LSTM"]().model.double(), EVERY["LSTM"]().given
    before = snapshot(model)
    options = {"precision": None, "lend": True, "low_memory": True, "keep": keep}
    found = surface(model, data, "auto", **options)
    assert_close(found.loss, surface(model, data, Plan("loop", 1), **options).loss, 1e-12)
    assert "_flat_weights while it runs" in found.report["fallback"]
    assert (found.report["plan"]["batching"], found.report["warnings"]) == ("loop", [])
    assert_same(before, snapshot(model))


def test_what_a_pass_changes_and_puts_back_within_a_block_disturbs_nobody():
    model = Body("plain")
    layer = model.blocks[1][0]
    layer.register_forward_pre_hook(lambda module, args: setattr(module, "came", args[0]))
    layer.register_forward_hook(lambda module, *_: delattr(module, "came"))
    found, plain = both(model, (X, Y))
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["fallback"] is None


def test_only_the_first_sweep_looks_at_what_passes_have_in_common(monkeypatch):
    looks, check = [], SharedState.check
    monkeypatch.setattr(SharedState, "check", lambda self: looks.append(1) or check(self))
    surface(Body("plain"), (X, Y), Plan("layers", 9, 64))
    # Two points: where they begin, at six parts, where the offset is read outside of all; and once afterwards.
    assert len(looks) == 2 * (1 + 6 + 1) + 1


def test_passes_that_disturb_each_other_are_seen_before_the_run():
    with pytest.raises(ValueError, match=r"by this plan the loss at a point is .* leave out plan"):
        surface(Elsewhere(ZERO), (X, Y), Plan("layers", 4, 64))  # one batch: only other points disturb it


@pytest.mark.parametrize("before", [None, ZERO])
def test_a_model_that_keeps_something_while_it_runs_is_evaluated_in_a_loop(before):
    found, plain = both(Stashing(before), (X, Y))
    assert (found.loss == plain.loss).all()
    assert found.report["fallback"].startswith("no layers: Entangled: a pass changes seen while it runs")
    assert found.report["plan"]["batching"] == "loop"


def test_a_model_that_raises_in_layers_alone_is_evaluated_in_a_loop():
    found, plain = both(Elsewhere(None), (X, Y))
    assert (found.loss == plain.loss).all()
    assert found.report["fallback"].startswith("no layers: TypeError: unsupported operand")
    assert found.report["plan"]["batching"] == "loop"


def test_an_error_at_one_point_ends_all_and_comes_once():
    calls = []

    def loss(outputs, targets):
        value = F.cross_entropy(outputs, targets)
        calls.append(1)
        if len(calls) > 12:
            raise ArithmeticError("at one point")
        return value

    model = Body("plain").double()
    before = snapshot(model)
    with pytest.raises(ArithmeticError, match="at one point"):
        surface(model, (X, Y), loss=loss, lend=True, precision=None)
    assert_same(before, snapshot(model))


def test_memory_that_does_not_suffice_halves_the_chunk(monkeypatch):
    model = Body("plain")
    plain = surface(model, (X, Y), Plan("loop", 1, 4))
    run, sizes = Sweep.run, []

    def limited(self, passes):
        sizes.append(len(passes))
        if len(passes) > 4:
            raise torch.OutOfMemoryError("no room")
        return run(self, passes)

    monkeypatch.setattr(Sweep, "run", limited)
    found = surface(model, (X, Y), Plan("layers", 8, 4))
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["plan"]["chunk"] == 2
    assert max(sizes) == 16


def test_an_objective_may_compute_landscapes_and_differentiate():
    """The first in the turn of the run; the second with weights that may have gone when it goes back."""
    small = nn.Linear(4, 4)

    def objective(call, batch):
        inputs = batch[0].clone().requires_grad_()
        outputs = call(inputs)
        (slope,) = torch.autograd.grad(outputs.square().sum(), inputs)
        inner = fastscape.line(small, (X, Y), x=(0, 1, 2), progress=False, precision="float64").loss[0]
        return {"loss": F.cross_entropy(outputs, batch[1]) + inner, "slope": slope.norm()}

    found, plain = both(Body("plain"), (X, Y), loss=F.cross_entropy, objective=objective, x=(0, 1, 2), y=(0, 1, 2))
    assert_close(found.loss, plain.loss, 1e-12)
    assert_close(found.values["slope"], plain.values["slope"], 1e-12)
    assert found.report["fallback"] is None


def counting(monkeypatch):
    """How often the vectors of each tensor are read in each sweep."""
    sweeps, rows, run = [], BasisRows.rows, Sweep.run

    def counted(self, entry, part=None):
        sweeps[-1][entry.name] += 1
        return rows(self, entry, part)

    def begun(self, passes):
        sweeps.append(collections.Counter())
        return run(self, passes)

    monkeypatch.setattr(BasisRows, "rows", counted)
    monkeypatch.setattr(Sweep, "run", begun)
    return sweeps


@pytest.mark.parametrize("low_memory", [False, True])
def test_the_vectors_of_a_block_are_read_once_for_all_points_and_batches(monkeypatch, low_memory):
    sweeps = counting(monkeypatch)
    model = Body("plain")
    found = surface(model, (X, Y), Plan("layers", 9, 2), perturb="all", low_memory=low_memory)
    names = {name for name, _ in model.named_parameters()}
    assert (
        len(sweeps) == 4 + 1 + 1
    )  # the comparison, two passes at a time, and at once; nine points of four microbatches
    assert all(sweep == dict.fromkeys(names, 1) for sweep in sweeps)
    assert found.report["plan"]["chunk"] == 9


def test_a_tensor_that_is_read_elsewhere_is_read_with_what_reads_it(monkeypatch):
    sweeps = counting(monkeypatch)
    surface(Nested(), (X, Y), Plan("layers", 9, 64), perturb="all")
    assert sweeps[-1]["scale"] == 4  # in the first block, and in each one after the part that it calls
    assert sweeps[-1]["blocks.1.before.weight"] == 2


def test_too_many_batches_go_through_in_several_sweeps(monkeypatch):
    monkeypatch.setattr(layer_major, "AT_ONCE", 6)
    sweeps = counting(monkeypatch)
    found, plain = both(Body("plain"), (X, Y), Plan("layers", 3, 2))
    assert_close(found.loss, plain.loss, 1e-12)
    assert len(sweeps) == 4 + 2 + 3 * 2  # the comparison batch by batch, and in the other order; three chunks by two


def test_passes_that_hold_much_go_through_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(layer_major, "HELD", 3 * 8 * 6 * 2)  # three passes of two samples, six numbers each
    sweeps = counting(monkeypatch)
    found, plain = both(Body("plain"), (X[:4], Y[:4]), Plan("layers", 9, 2))
    assert_close(found.loss, plain.loss, 1e-12)
    assert len(sweeps) == 2 + 2 + 3 * 2  # the comparison in both orders; three points at a time, batch by batch


def test_the_weights_of_one_part_at_one_point_are_in_memory(monkeypatch):
    alive, most, made = weakref.WeakSet(), [], Sweep._made

    def noted(self, name, point):
        tensor = made(self, name, point)
        alive.add(tensor.untyped_storage())
        most.append(sum(storage.nbytes() for storage in alive))
        return tensor

    monkeypatch.setattr(Sweep, "_made", noted)
    model = nn.Sequential(*[nn.Sequential(nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 20)) for _ in range(6)])
    data = torch.randn(5, 20), torch.randn(5, 20)
    surface(model, data, Plan("layers", 9), loss=F.mse_loss, precision="float32")
    assert max(most) == 2 * 4 * 400


def test_vectors_that_would_take_much_memory_are_read_part_by_part(monkeypatch):
    monkeypatch.setattr(block_weights, "ROWS", 1100)
    monkeypatch.setattr("fastscape.weights.basis_rows.PART", 16)
    sweeps = counting(monkeypatch)
    model = Body("plain")
    found, plain = both(model, (X, Y), Plan("layers", 9, 64), low_memory=True, perturb="all")
    assert_close(found.loss, plain.loss, 1e-12)
    assert sweeps[-1]["first.weight"] == 1  # 576 bytes of the basis
    assert sweeps[-1]["offset"] == 1
    assert sweeps[-1]["blocks.0.0.weight"] == 1  # 864 bytes, and 144 of its bias
    assert sweeps[-1]["blocks.0.0.bias"] == 1
    monkeypatch.setattr(block_weights, "ROWS", 500)
    found = surface(model, (X, Y), Plan("layers", 9, 64), low_memory=True, perturb="all")
    assert_close(found.loss, plain.loss, 1e-12)
    assert sweeps[-1]["first.weight"] == 2 * 9  # in parts, for every point


@pytest.mark.parametrize("keep", ["device", "cpu", "disk"])
def test_a_model_that_is_kept_elsewhere(keep):
    model = Body("tied").double()
    before = snapshot(model)
    options = {"perturb": "all", "precision": None, "lend": True, "low_memory": True, "keep": keep}
    found, plain = both(model, (X, Y), **options)
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["fallback"] is None
    assert_same(before, snapshot(model))


@pytest.mark.parametrize(("keep", "batching"), [("device", "loop"), ("cpu", "layers"), ("disk", "layers")])
def test_layers_are_chosen_where_weights_are_kept_elsewhere(monkeypatch, keep, batching):
    monkeypatch.setattr(plan_rules, "free_memory", lambda device: 1 << 30)
    options = {"precision": None, "lend": True, "low_memory": True, "keep": keep}
    model = Body("plain").double()
    found = surface(model, (X, Y), "auto", **options)
    assert (found.report["plan"]["batching"], found.report["fallback"]) == (batching, None)
    assert_close(found.loss, surface(model, (X, Y), Plan("loop", 1), **options).loss, 1e-12)


@pytest.mark.parametrize(("free", "batching"), [(None, "loop"), (100 << 20, "loop"), (1 << 30, "layers")])
def test_layers_are_chosen_where_there_is_room_for_their_threads_and_blocks(monkeypatch, free, batching):
    monkeypatch.setattr(plan_rules, "free_memory", lambda device: free)
    options = {"precision": None, "lend": True, "low_memory": True, "keep": "cpu"}
    found = surface(Body("plain").double(), (X, Y), "auto", x=(0, 1, 2), y=(0, 1, 2), **options)
    assert found.report["plan"]["batching"] == batching


def test_a_model_that_disturbs_itself_in_layers_is_evaluated_in_a_loop_where_they_were_not_asked_for(monkeypatch):
    monkeypatch.setattr(plan_rules, "free_memory", lambda device: 1 << 30)
    options = {"precision": None, "lend": True, "low_memory": True, "keep": "cpu"}
    model = Elsewhere(ZERO).double()
    found = surface(model, (X, Y), "auto", **options)
    assert found.report["plan"]["batching"] == "loop"
    assert "by this plan the loss at a point is" in found.report["fallback"]
    assert_close(found.loss, surface(model, (X, Y), Plan("loop", 1), **options).loss, 1e-12)


class Locked(Body):
    """One call at a time, as models that serve have it."""

    lock = threading.Lock()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with self.lock:
            return super().forward(x)


def test_a_model_that_holds_a_lock_is_evaluated_in_a_loop(monkeypatch):
    monkeypatch.setattr(lock_step, "LOOK", 0.01)
    monkeypatch.setattr(lock_step, "SILENCE", 0.1)
    found, plain = both(Locked("plain"), (X, Y))
    assert_close(found.loss, plain.loss, 1e-12)
    assert found.report["fallback"].startswith("no layers: Entangled: a pass waits for a lock")
    assert not Locked.lock.locked()


class Differentiating(nn.Module):
    """Calls its blocks inside of a transform, whose levels belong to the process."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

    def forward(self, x):
        for block in self.blocks:
            value, slope = torch.func.jvp(block, (x,), (torch.ones_like(x),))
            x = value + slope.tanh()
        return x


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated")  # torch's own, inside jvp
def test_blocks_inside_of_a_transform_are_evaluated_in_a_loop():
    torch.manual_seed(0)
    data = torch.randn(8, 6), torch.randint(6, (8,))
    found, plain = both(Differentiating(), data)
    assert_close(found.loss, plain.loss, 1e-12)
    assert "inside of a transform" in found.report["fallback"]
