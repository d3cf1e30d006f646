"""Models with complex parameters, buffers, attributes and data, against plain loops in complex128."""

import copy
import warnings
from functools import partial

import complex_models as m
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Landscape, Plan
from fastscape.cli.several_checkpoints import check_alike
from tolerance import FLOAT32, FLOAT64, assert_as_accurate, assert_close

AXES = np.linspace(-0.5, 1.0, 3), np.array([0.25, 0.75])
GRID = {"x": (-0.5, 1.0, 3), "y": (0.25, 0.75, 2), "progress": False}
WIDE = {**GRID, "precision": "float64"}


def numbers(*shape, dtype=torch.float32):
    return torch.randn(shape, dtype=dtype)


DATA = {
    m.Spectral: lambda: numbers(7, 8, 1),
    m.SpectralInPlace: lambda: numbers(7, 8, 1),
    m.ComplexLayers: lambda: numbers(7, 3, dtype=torch.cfloat),
    m.StateSpace: lambda: numbers(7, 6, 3),
    m.Phases: lambda: numbers(7, 4, dtype=torch.cfloat),
    m.ComplexImages: lambda: numbers(7, 2, 6, 6),
    m.Rotary: lambda: numbers(7, 5, 4),
    m.Tied: lambda: torch.randint(5, (7, 6)),
    m.Conjugated: lambda: numbers(7, 4, dtype=torch.cfloat).conj(),
}
MODELS = list(DATA)


def case(kind):
    torch.manual_seed(3)
    model, inputs = kind().eval(), DATA[kind]()
    classes = 3 if kind in (m.ComplexImages, m.Rotary, m.Conjugated) else 2
    return model, (inputs, torch.arange(7) % classes)


def moving(model, perturb):
    """What moves, by the words of the documentation, written out."""
    parameters = list(model.named_parameters())
    if perturb == "weights":
        return [name for name, p in parameters if p.dim() > 1]
    if perturb == "weights+bias":
        return [name for name, p in parameters if p.dim() > 1 or name.endswith("bias")]
    names = [name for name, _ in parameters]
    return names + [name for name, _ in model.named_buffers()] if perturb == "states" else names


def looped(model, data, names, *, normalize="filter", scheme="plane", seed=0):
    directions = [
        {name: m.normalised(name, d, model, normalize) for name, d in direction.items()}
        for direction in m.drawn(model, names, seed, kind=normalize)
    ]
    return m.truth(model, data, directions, AXES, scheme=scheme)


@pytest.mark.parametrize("plan", ["auto", Plan("loop", 4, 3), Plan("loop", 2, memory_format="channels_last")])
@pytest.mark.parametrize("kind", MODELS)
def test_random_directions_around_every_model(kind, plan):
    model, data = case(kind)
    found = fastscape.surface(model, data, plan=plan, **WIDE)
    assert_close(found.loss, looped(model, data, moving(model, "weights")), FLOAT64)
    assert found.report["centre"]["difference"] < 1e-12


@pytest.mark.parametrize("plan", [Plan("vmap", 4, 3), Plan("vmap", 4, 3, hoist=True)])
@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind is not m.SpectralInPlace])
def test_many_points_at_once(kind, plan):
    model, data = case(kind)
    found = fastscape.surface(model, data, plan=plan, perturb="all", **WIDE)
    assert_close(found.loss, looped(model, data, moving(model, "all")), FLOAT64)


@pytest.mark.parametrize("perturb", ["weights", "weights+bias", "all", "states"])
@pytest.mark.parametrize("kind", [m.ComplexLayers, m.StateSpace, m.Phases])
@pytest.mark.parametrize("low_memory", [False, True])
def test_every_selection(kind, perturb, low_memory):
    model, data = case(kind)
    found = fastscape.surface(model, data, perturb=perturb, low_memory=low_memory, **WIDE)
    names = moving(model, perturb)
    assert found.report["moving"] == names
    assert_close(found.loss, looped(model, data, names), FLOAT64)


@pytest.mark.parametrize("chosen", [["readout"], ["mix.weight", "step"], ["step", "readout"]])
def test_a_function_chooses_complex_and_real_ones(chosen):
    model, data = case(m.StateSpace)
    found = fastscape.surface(model, data, perturb=lambda name, _: name in chosen, **WIDE)
    names = [name for name, _ in model.named_parameters() if name in chosen]
    assert_close(found.loss, looped(model, data, names), FLOAT64)
    assert found.report["untouched"] == [name for name, _ in model.named_parameters() if name not in chosen]


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("normalize", ["filter", "filter-input", "layer", "weight", "dfilter", "dlayer", "none"])
@pytest.mark.parametrize("kind", [m.Spectral, m.ComplexImages])
def test_every_norm(kind, normalize, low_memory):
    model, data = case(kind)
    found = fastscape.surface(model, data, normalize=normalize, low_memory=low_memory, **WIDE)
    assert_close(found.loss, looped(model, data, moving(model, "weights"), normalize=normalize), FLOAT64)


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize(("scheme", "normalize"), [("barycentric", "filter"), ("bilinear", "none")])
@pytest.mark.parametrize("kind", [m.Spectral, m.ComplexImages, m.Phases])
def test_schemes_that_keep_norms(kind, scheme, normalize, low_memory):
    model, data = case(kind)
    found = fastscape.surface(model, data, scheme=scheme, perturb="all", low_memory=low_memory, **WIDE)
    names = moving(model, "all")
    assert_close(found.loss, looped(model, data, names, scheme=scheme, normalize=normalize), FLOAT64)


def given(model, names, seed=5):
    generator = torch.Generator().manual_seed(seed)
    tensors = dict(model.named_parameters())
    return [
        {n: 0.4 * torch.randn(tensors[n].shape, dtype=m.wide(tensors[n]).dtype, generator=generator) for n in names}
        for _ in "xy"
    ]


def pairs(tensor):
    """The real numbers of a tensor one behind the other, the real part of each entry first."""
    flat = tensor.flatten().tolist()
    return [part for z in flat for part in (z.real, z.imag)] if tensor.is_complex() else flat


@pytest.mark.parametrize("form", ["dict", "complex vector", "real vector", "module", "conjugated"])
@pytest.mark.parametrize("kind", [m.Spectral, m.Phases, m.ComplexImages])
def test_directions_that_are_given(kind, form):
    model, data = case(kind)
    names = moving(model, "all")
    ways = given(model, names)
    made = ways
    if form == "complex vector":  # as torch's own parameters_to_vector makes it
        made = [nn.utils.parameters_to_vector(way.values()) for way in ways]
        assert made[0].is_complex()
    elif form == "real vector":
        made = [torch.tensor([x for d in way.values() for x in pairs(d)], dtype=torch.float64) for way in ways]
    elif form == "conjugated":
        made = [{name: d.resolve_conj().conj().resolve_conj().conj() for name, d in way.items()} for way in ways]
    elif form == "module":
        made = []
        for way in ways:
            other = m.widened(model)
            with torch.no_grad():
                for name, d in way.items():
                    other.get_parameter(name).copy_(m.wide(model.get_parameter(name)) + d)
            made.append(other)
    found = fastscape.surface(model, data, directions=made, perturb="all", **WIDE)
    assert_close(found.loss, m.truth(model, data, ways, AXES), FLOAT64)


def test_a_real_direction_of_a_complex_tensor_leaves_its_imaginary_part():
    model, data = case(m.Spectral)
    ways = [{"modes": torch.randn(4, 4, 3)} for _ in "xy"]
    found = fastscape.surface(model, data, directions=ways, perturb=lambda name, _: name == "modes", **WIDE)
    assert_close(found.loss, m.truth(model, data, ways, AXES), FLOAT64)


@pytest.mark.parametrize("kind", MODELS)
def test_a_line_reaches_another_model(kind):
    """All of it: complex parameters and complex buffers."""
    (model, data), other = case(kind), kind().eval()
    if kind is m.Conjugated:
        other.attribute = model.attribute  # no tensor that moves
    for buffer in other.buffers():
        buffer.add_(torch.randn_like(buffer), alpha=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fastscape.line(model, data, to=other, x=(0, 1, 4), precision="float64", progress=False,
                               plan=Plan("loop", 4))  # fmt: skip
    tensors = [{**dict(one.named_parameters()), **dict(one.named_buffers())} for one in (model, other)]
    way = {name: m.wide(end) - m.wide(tensors[0][name]) for name, end in tensors[1].items()}
    zero = {name: torch.zeros_like(d) for name, d in way.items()}
    wanted = m.truth(model, data, [way, zero], (np.linspace(0, 1, 4), [0.0]))[:, 0]
    assert_close(found.loss, wanted, FLOAT64)
    inputs, targets = data
    with torch.no_grad():
        ends = [F.cross_entropy(one(inputs), targets).item() for one in (model, other)]
    assert found.loss[[0, -1]] == pytest.approx(ends, rel=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_float32_is_as_accurate_as_plain_torch(kind):
    model, data = case(kind)
    names = moving(model, "all")
    ways = [{n: m.normalised(n, d, model, "filter") for n, d in way.items()} for way in m.drawn(model, names)]
    plain = np.empty((3, 2))
    at = copy.deepcopy(model)
    with torch.no_grad():
        for i, a in enumerate(AXES[0]):
            for j, b in enumerate(AXES[1]):
                for name in names:
                    at.get_parameter(name).copy_(model.get_parameter(name) + a * ways[0][name] + b * ways[1][name])
                plain[i, j] = F.cross_entropy(at(data[0]), data[1])
    found = fastscape.surface(model, data, perturb="all", **GRID)
    assert_as_accurate(found.loss, plain, m.truth(model, data, ways, AXES), FLOAT32)


@pytest.mark.parametrize("low_memory", [False, True])
def test_a_reduced_precision_has_no_narrower_complex_numbers(low_memory):
    """complex64 weights from rounded numbers; those that do not move are not rounded."""

    class Seen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.moving = nn.Parameter(torch.randn(3, 4, dtype=torch.cfloat))
            self.still = nn.Parameter(torch.randn(4, dtype=torch.cfloat))
            self.register_buffer("kept", torch.randn(4, dtype=torch.complex128))

        def forward(self, x):
            assert {t.dtype for t in (self.moving, self.still, self.kept, x)} == {torch.complex64}
            return ((x * self.still * self.kept) @ self.moving.T).abs()

    model, data = Seen(), (torch.randn(6, 4, dtype=torch.complex128), torch.arange(6) % 3)
    found = fastscape.surface(model, data, precision="bfloat16", low_memory=low_memory, **GRID)
    at, (inputs, targets) = copy.deepcopy(model), data
    wide = {"moving": m.normalised("moving", m.drawn(model, ["moving"])[0]["moving"], model, "filter")}
    wide["other"] = m.normalised("moving", m.drawn(model, ["moving"])[1]["moving"], model, "filter")
    wanted = np.empty((3, 2))
    for i, a in enumerate(AXES[0]):
        for j, b in enumerate(AXES[1]):
            z = m.wide(model.moving) + a * wide["moving"] + b * wide["other"]
            rounded = torch.complex(*(part.bfloat16().double() for part in (z.real, z.imag)))
            out = ((m.wide(inputs) * m.wide(at.still) * at.kept) @ rounded.T).abs()
            wanted[i, j] = F.cross_entropy(out, targets).item()
    assert_close(found.loss, wanted, 1e-2)  # a sum near the middle of two bfloat16 numbers is rounded either way
    assert found.report["precision_error"]["largest"] < 0.01


def test_complex_data_have_the_precision_of_the_run():
    seen = set()

    def loss(outputs, targets):
        seen.add((outputs.dtype, targets.dtype))
        return (outputs - targets).abs().square().mean(1)

    model = nn.Linear(3, 2, dtype=torch.cfloat)
    inputs, targets = (torch.randn(5, n, dtype=torch.complex128) for n in (3, 2))
    names = moving(model, "weights")
    wanted = m.truth(
        model, (inputs, targets),
        [{n: m.normalised(n, d, model, "filter") for n, d in way.items()} for way in m.drawn(model, names)],
        AXES, loss=loss,
    )  # fmt: skip
    for precision, dtype, error in (("float64", torch.complex128, FLOAT64), ("float32", torch.complex64, FLOAT32)):
        seen.clear()
        found = fastscape.surface(model, (inputs, targets), loss=loss, precision=precision, **GRID)
        assert seen == {(dtype, dtype)}
        assert_close(found.loss, wanted, error)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_nothing_is_cast_to_real(precision):
    """Neither in the model as it is, which the centre is compared with, nor anywhere else."""
    for kind in (m.Rotary, m.StateSpace, m.Phases):
        model, data = case(kind)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = fastscape.surface(model, data, perturb="weights", precision=precision, **GRID)
        called = F.cross_entropy(model(data[0]), data[1]).item()
        assert found.report["centre"]["plain"] == pytest.approx(called, rel=1e-5)
        assert found.report["warnings"] == []


def test_the_real_and_the_complex_model_are_one():
    """A complex layer written with two real weights, side by side in one tensor, has the same surface."""

    class Pairs(nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.weight = nn.Parameter(torch.view_as_real(weight.detach()).clone())

        def forward(self, x):
            return (x @ torch.view_as_complex(self.weight).T).abs()

    class Whole(nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.weight = nn.Parameter(weight)

        def forward(self, x):
            return (x @ self.weight.T).abs()

    weight = torch.randn(2, 3, dtype=torch.cfloat)
    data = torch.randn(6, 3, dtype=torch.cfloat), torch.arange(6) % 2
    for options in ({}, {"normalize": "weight"}, {"scheme": "linear2x"}, {"low_memory": True}):
        a, b = (fastscape.surface(kind(weight), data, **WIDE, **options) for kind in (Whole, Pairs))
        assert a.loss.tobytes() == b.loss.tobytes()


def test_what_is_reported_counts_real_numbers():
    model, data = case(m.Phases)
    report = fastscape.surface(model, data, perturb="all", **WIDE).report
    assert (report["parameters"], report["perturbed"]) == (2 + 8 + 8, 2 + 8 + 8)
    assert report["norms"]["theta"] == pytest.approx(sum(m.norm(p) ** 2 for p in model.parameters()) ** 0.5)


def test_it_is_saved_loaded_and_computed_again(tmp_path):
    model, data = case(m.Spectral)
    found = fastscape.surface(model, data, perturb="all", seed=4, store=tmp_path / "run.zarr", **GRID)
    back = Landscape.load(found.save(tmp_path / "a.npz"))
    again = back.reproduce(model, data, progress=False)
    assert again.loss.tobytes() == found.loss.tobytes()
    resumed = fastscape.surface(model, data, perturb="all", seed=4, store=tmp_path / "run.zarr", **GRID)
    assert resumed.loss.tobytes() == found.loss.tobytes()
    other, _ = case(m.Spectral)
    other.modes.data = other.modes.data.conj().clone()
    with pytest.raises(ValueError, match="weights"):
        back.reproduce(other, data, progress=False)


def test_shared_directions():
    model, data = case(m.Spectral)
    shared = fastscape.random_directions(model, dtype=torch.float64, seed=2)
    assert {name: d.dtype for name, d in shared[0].items()} == {
        "modes": torch.complex128, "lift.weight": torch.float64, "out.weight": torch.float64,
    }  # fmt: skip
    wanted = looped(model, data, moving(model, "weights"), seed=2)
    assert_close(fastscape.surface(model, data, directions=shared, **WIDE).loss, wanted, FLOAT64)


def test_compiled_code_takes_no_complex_weights_that_move():
    model, data = case(m.Spectral)
    with pytest.raises(ValueError, match="makes no code for complex weights that move; write compile=False"):
        fastscape.surface(model, data, plan=Plan("loop", 2, compile=True), **GRID)


class CastImages(nn.Module):
    """A complex convolution that reads the samples, which are real: no product of patches."""

    def __init__(self) -> None:
        super().__init__()
        self.complex, self.head = nn.Conv2d(2, 4, 3, dtype=torch.cfloat), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.complex(x.to(self.complex.weight.dtype)).abs().mean((2, 3)))


@pytest.mark.parametrize("kind", [m.SpectralInPlace, CastImages])
def test_the_search_for_a_plan_leaves_compilation_out(kind, monkeypatch):
    monkeypatch.setattr("fastscape.engine.planner._compile_seconds", lambda problem: 0.0)
    monkeypatch.setattr("fastscape.engine.planner.MOSTLY_PRODUCTS", 2.0)
    model, shape = kind(), (7, 8, 1) if kind is m.SpectralInPlace else (7, 2, 5, 5)
    data = torch.randn(shape), torch.arange(7) % 2
    grid = {"x": (-1, 1, 40), "y": (-1, 1, 20), "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fastscape.surface(model, data, **grid)
    tried = [plan for plan in found.report["plans_measured"] if plan["compile"]]
    assert not found.report["plan"]["compile"]
    assert all("makes no code for complex weights that move" in plan["error"] for plan in tried)
    assert tried or kind is m.SpectralInPlace  # which begins under vmap, that it refuses


def test_a_real_and_a_complex_checkpoint_have_no_directions_in_common():
    models = nn.Linear(3, 2), nn.Linear(3, 2, dtype=torch.cfloat)
    with pytest.raises(
        ValueError, match="the models must have one architecture for common directions, got a different weight in"
    ):
        check_alike(models, ["a", "b"], "weights")


def test_a_store_knows_complex_directions_again(tmp_path):
    model, data = case(m.Spectral)
    ways = given(model, moving(model, "weights"))
    options = {**GRID, "store": tmp_path / "run.zarr"}
    found = fastscape.surface(model, data, directions=ways, **options)
    again = fastscape.surface(model, data, directions=ways, **options)
    assert again.loss.tobytes() == found.loss.tobytes()
    ways[1]["modes"] = ways[1]["modes"].conj()
    with pytest.raises(ValueError, match="other directions"):
        fastscape.surface(model, data, directions=ways, **options)


def test_an_imaginary_direction_of_a_real_tensor_is_refused():
    model, data = case(m.Spectral)
    ways = given(model, ["lift.weight", "modes", "out.weight"])
    ways[0]["lift.weight"] = ways[0]["lift.weight"] + 1j
    with pytest.raises(ValueError, match=r"lift\.weight must be real, as in the model, got torch\.complex128"):
        fastscape.surface(model, data, directions=ways, **WIDE)
    real, other, data = nn.Linear(3, 2), nn.Linear(3, 2, dtype=torch.cfloat), (torch.rand(4, 3), torch.arange(4) % 2)
    with pytest.raises(ValueError, match=r"weight must be real, as in the model, got torch\.complex64"):
        fastscape.line(real, data, to=other)


@pytest.mark.parametrize("length", [3, 58, 107, 10_000])
def test_a_vector_of_another_length_is_refused(length):
    model, data = case(m.Spectral)
    make = partial(torch.zeros, dtype=torch.complex64)
    for vector in (torch.zeros(length), make(length + 1)):
        with pytest.raises(
            ValueError,
            match=r"a direction must have shape \(60,\) complex numbers, or \(108,\) real ones with two for each",
        ):
            fastscape.surface(model, data, directions=[vector, vector], **WIDE)
