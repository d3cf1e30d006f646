"""The options of the public calls: each is written once, shown everywhere, and known by its former name."""

import ast
import inspect
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import fastscape
from fastscape import cli
from fastscape.cli import commands
from fastscape.results import options_of
from fastscape.runs import (
    AlignOptions,
    BarrierOptions,
    BasinOptions,
    ConnectOptions,
    HessianOptions,
    LineOptions,
    ReproduceOptions,
    SharpnessOptions,
    SpectrumOptions,
    SurfaceOptions,
    VolumeOptions,
)

SOURCE = Path(fastscape.__file__).parent
CALLS = {
    "surface": (fastscape.surface, SurfaceOptions),
    "line": (fastscape.line, LineOptions),
    "volume": (fastscape.volume, VolumeOptions),
    "reproduce": (fastscape.Landscape.reproduce, ReproduceOptions),
    "hessian": (fastscape.hessian, HessianOptions),
    "spectrum": (fastscape.spectrum, SpectrumOptions),
    "sharpness": (fastscape.sharpness, SharpnessOptions),
    "basin_radius": (fastscape.basin_radius, BasinOptions),
    "barrier": (fastscape.barrier, BarrierOptions),
    "barriers": (fastscape.barriers, BarrierOptions),
    "connect": (fastscape.connect, ConnectOptions),
    "align": (fastscape.align, AlignOptions),
}
# Where a name may mean another thing than for a grid:
ELSEWHERE = "point", "sharp", "basins", "ends", "connecting", "aligned"
EVERY = {**options_of(SurfaceOptions), **options_of(LineOptions), **options_of(VolumeOptions)}
MODEL, DATA = nn.Linear(3, 2), (torch.rand(4, 3), torch.tensor([0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("to", r"line leads to a different model; .* write directions=fastscape.through\(model, b, c\)"),
        ("along", r"line follows a curve; .* write directions=curve.plane\(\)"),
        ("z", "a surface has two axes, x and y; use volume for more"),
    ],
)
def test_a_surface_names_the_call_that_has_an_option(name, said):
    with pytest.raises(TypeError, match=f"surface has no option '{name}'; {said}"):
        fastscape.surface(MODEL, DATA, **{name: MODEL})


@pytest.mark.parametrize("name", CALLS)
def test_a_call_shows_every_option(name):
    call, kind = CALLS[name]
    shown = inspect.signature(call).parameters
    text = inspect.getdoc(call)
    for option, (_, known) in options_of(kind).items():
        known = known.computed_again if name == "reproduce" else known
        assert shown[option].default == known.default
        assert f"\n    {option}: " in text
        assert known.text.split(". ")[0].split()[0] in text
    assert "**given" not in text


@pytest.mark.parametrize("command", [commands.surface, commands.line])
def test_so_does_a_command(command):
    kind = SurfaceOptions if command is commands.surface else LineOptions
    offered = {name for name, (_, option) in options_of(kind).items() if option.command is not None}
    taken = inspect.signature(command).parameters
    assert offered <= set(taken)
    assert {"scheme", "x", "normalize", "perturb", "seed", "precision", "plan", "store"} <= offered
    assert not {"metrics", "directions", "progress"} & set(taken)


def test_no_option_stands_in_another_signature_or_docstring():
    """Public calls and commands take their options from the definition; rooms inside pass single ones on."""
    public = [*(SOURCE / "api").glob("*.py"), SOURCE / "landscape.py", SOURCE / "cli" / "commands.py"]
    for path in public:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
                continue
            names = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
            if node.name not in ("__init__",):
                assert not names & (EVERY.keys() - {"x", "y"}), f"{path.name}: {node.name}"
            documented = set(re.findall(r"^\s+(\w+): ", ast.get_docstring(node) or "", flags=re.MULTILINE))
            assert not documented & (EVERY.keys() - {"x", "y"}), f"{path.name}: {node.name}"


def test_no_text_stands_twice():
    kinds = (
        SurfaceOptions,
        LineOptions,
        HessianOptions,
        SpectrumOptions,
        SharpnessOptions,
        BasinOptions,
        BarrierOptions,
        ConnectOptions,
        AlignOptions,
        VolumeOptions,
    )
    options = {id(option): option for kind in kinds for _, option in options_of(kind).values()}
    texts = [" ".join(option.text.split()) for option in options.values()]
    assert len(set(texts)) == len(texts)
    defined = [
        ast.unparse(node.target)
        for path in (SOURCE / "runs" / "options").glob("*.py")
        if path.stem not in ELSEWHERE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AnnAssign)
    ]
    assert sorted(defined) == sorted(EVERY)


def test_groups_are_what_a_user_thinks_of():
    groups = list(dict.fromkeys(option.group for _, option in options_of(SurfaceOptions).values()))
    assert groups == ["What is measured", "Where", "How exactly", "How it runs"]


@pytest.mark.parametrize(
    ("given", "now"),
    [
        ("training", "train_mode"),
        ("stream", "stream_samples"),
        ("standard_error", "target_standard_error"),
        ("log", "tolerance_scale"),
        ("toleranse", "tolerance"),
    ],
)
def test_a_former_or_misspelt_name_is_explained(given, now):
    with pytest.raises(TypeError, match=f"surface has no option '{given}'; write {now}="):
        fastscape.surface(MODEL, DATA, **{given: 1})


def test_each_call_refuses_the_options_of_the_other():
    with pytest.raises(TypeError, match="line has no option 'tolerance'"):
        fastscape.line(MODEL, DATA, tolerance=0.1)
    with pytest.raises(
        TypeError, match="surface has no option 'quartz'; give one of loss, metrics, objective, batchnorm,"
    ):
        fastscape.surface(MODEL, DATA, quartz=1)
    with pytest.raises(
        TypeError, match="reproduce has no option 'plan'; give one of loss, metrics, objective, directions,"
    ):
        fastscape.surface(MODEL, DATA, x=(0, 1, 2), y=(0, 1, 2), progress=False).reproduce(MODEL, DATA, plan=1)


def test_the_command_line_is_the_face_of_its_wing():
    assert cli.__all__ == ["main"]
