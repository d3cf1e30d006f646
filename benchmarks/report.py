"""Makes docs/benchmarks.md with its chart, and the table of the README, from results. No number is typed by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from benchmarks.gpu import table
from benchmarks.rivals import RIVALS

ROOT = Path(__file__).parent.parent
START, STOP = "<!-- benchmarks: made by python -m benchmarks.run -->", "<!-- end of benchmarks -->"
PEERS = tuple(name for name in RIVALS if name != "naive loop")
# What the project aims at on two cores without a GPU: times as fast as the fastest other package, and the naive loop.
AIMS = {"mlp": (4.0, 5.0), "cnn": (5.0, 6.0), "resnet20": (1.7, 1.8), "resnet56": (1.3, 1.3), "vgg13": (1.35, 1.8)}
AIMS_OF_BFLOAT16 = {"vgg13": 2.5}  # against the fastest other package
METHOD = """## How it is measured

**The answer.** The surface that is timed must agree with the naive loop, to rounding.

**The time.** fastscape and its rivals take turns, so that all see the same machine. Each runs in
a process of its own, after it has run once. A rival that needs more than some seconds is stopped
until its next turn, and only the time of its turns counts. The table has the median of the
rounds. The spread is the distance from the fastest to the slowest round, as a fraction of the
median.

**The grid.** fastscape always computes the whole grid, with planning and compilation, without a
cache of compiled code. A rival that would need more than a minute for it walks 15 x 15 points,
marked by `*`. Its time per point is taken as measured.

**The limits.** The ceilings of the machine are measured with every problem. So are two limits
that no loop over the points with layers of torch can pass. The bare forward pass is the model
alone, with its own weights, compiled. The bare convolutions are the convolutions of that pass and
nothing else."""
OWN = {"float32": "fastscape", "bfloat16": "fastscape bfloat16"}


def write(results: dict[str, Any]) -> None:
    """Writes the page, the chart, and the table of the README."""
    file = ROOT / "docs" / "benchmarks.md"
    file.write_text(page(results) + others(file.read_text()))
    chart(results, ROOT / "docs" / "images" / "benchmarks.png")
    put(ROOT / "README.md", START, STOP, summary(results))


def put(page: Path, start: str, stop: str, content: str) -> None:
    """Writes something between two marks of a page, in the place of what was there."""
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(stop), re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{start}\n\n{content}\n\n{stop}", page.read_text()))


def others(page: str) -> str:
    """What other suites have put between marks of a page, with the marks."""
    found = re.finditer(r"<!-- (\w+): made by [^>]*-->.*?<!-- end of \1 -->\n?", page, re.DOTALL)
    return "".join(f"\n{block[0]}" for block in found if not block[0].startswith(table.START))  # `page` has that one


def _processors(results: dict[str, Any]) -> str:
    """What the problems were measured on."""
    return ", ".join(dict.fromkeys(found["processor"] for found in results["problems"].values()))


def fastest_peer(found: dict[str, Any]) -> tuple[str, float] | None:
    """The fastest of the other packages on one problem, and its seconds a point."""
    times = {name: _seconds(found, name) for name in PEERS if _seconds(found, name) is not None}
    return min(times.items(), key=lambda item: item[1]) if times else None


def summary(results: dict[str, Any]) -> str:
    """One row per problem, in float32: time per point, and speed against the loop and the fastest package."""
    lines = [
        "| problem | fastscape, ms per point | times the speed of the naive loop | and of the fastest other package |",
        "|---|---|---|---|",
    ]
    for name, found in results["problems"].items():
        own = _seconds(found, "fastscape")
        if own is None:
            continue
        loop, peer = _seconds(found, "naive loop"), fastest_peer(found)
        lines.append(
            f"| {name}, {found['samples']} samples | {1e3 * own:.3g} | {_ratio(loop, own)} | "
            + (f"{_ratio(peer[1], own)} ({peer[0]}) |" if peer else "- |")
        )
    sides = {name: found["side"] for name, found in results["problems"].items()}
    side = max(sides.values(), default=0)
    others = "".join(f" ({name}: {own} x {own})" for name, own in sides.items() if own != side)
    lines += [
        "",
        f"Measured on {_processors(results)}, {results['threads']} threads, torch {results['versions']['torch']}, in",
        f"float32. Each time is a whole surface of {side} x {side} points{others}, with planning and",
        "compilation. A number below 1 means that fastscape is slower.",
    ]
    return "\n".join(lines)


def page(results: dict[str, Any]) -> str:
    """The page with everything that was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items() if version)
    parts = [
        "# Benchmarks",
        "",
        "`python -m benchmarks.run` measures everything on this page and writes the page. Nothing is typed by hand.",
        "",
        summary(results),
        "",
        "![Time per grid point](images/benchmarks.png)",
        "",
        METHOD,
        "",
        f"Measured with {results['threads']} threads; {versions}. Each problem names its processor.",
    ]
    for name, found in results["problems"].items():
        parts += ["", f"## {name}", "", _details(found)]
    aims = [said for name, found in results["problems"].items() for said in _aims(name, found)]
    parts += ["", "## For developers: which aims are reached", "", *aims] if aims else []
    parts += ["", table.START, "", table.section(), "", table.STOP]
    return "\n".join(parts) + "\n"


def _details(found: dict[str, Any]) -> str:
    own = _seconds(found, "fastscape")
    lines = [
        f"{found['parameters']:,} parameters, {found['samples']} samples, {found['side']} x {found['side']} points; "
        f"{found['processor']}; commit {found['commit']}, {found['date']}.",
        "",
        "| | ms per point | spread | speed of fastscape in float32, as a multiple |",
        "|---|---|---|---|",
    ]
    for name, row in found["rows"].items():
        shown = f"{name} {row['version'] or ''}".strip()
        if "error" in row:
            lines.append(f"| {shown} | could not run: {row['error'].replace('|', '/')} | | |")
            continue
        coarse = "*" if row["side"] != found["side"] else ""
        against = "" if name in OWN.values() else _ratio(row["seconds_a_point"], own)
        spread = f"{row['spread']:.0%}" if len(row["seconds"]) > 1 else "one round"
        lines.append(f"| {shown}{coarse} | {1e3 * row['seconds_a_point']:.3g} | {spread} | {against} |")
    plan = found["rows"]["fastscape"].get("plan")
    memory = ", ".join(f"{value:.0f} MB with {name}" for name, value in found.get("peak_megabytes", {}).items())
    answer = found["answer"]["fastscape, as timed"]
    lines += ["", f"Plan: {_plan(plan)}. Largest difference from the naive loop: {answer:.1e} of the range."]
    if memory:
        lines[-1] += f" Peak memory beyond the problem, for 3 x 3 points in a fresh process: {memory}."
    lines += ["", _ceilings(found, own)]
    if found.get("operations"):
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found["operations"].items())
        lines[-1] += f" Shares of the time in torch's operations: {shares}."
    half = found["rows"][OWN["bfloat16"]].get("precision_error")
    if half:
        faster = _ratio(own, _seconds(found, OWN["bfloat16"]))
        lines[-1] += (
            f" bfloat16 has {faster} times the speed of float32. Its values differ by {half['rms']:.1e} rms, "
            f"{half['largest']:.1e} at most."
        )
    limits = _limits(found)
    return "\n".join([*lines, "", *limits] if limits else lines)


def _ceilings(found: dict[str, Any], own: float | None) -> str:
    """What a point reaches of what the machine can do."""
    ceilings = ", ".join(f"{name} {value:.0f}" for name, value in found["ceilings"].items())
    if own is None:
        return f"Ceilings: {ceilings}."
    rate = found["flops_a_point"] / own / 1e9
    highest = max(value for name, value in found["ceilings"].items() if "GFLOP" in name)
    return f"{rate:.0f} GFLOP/s, {rate / highest:.0%} of the highest ceiling ({ceilings})."


def _limits(found: dict[str, Any]) -> list[str]:
    """What no loop over the points can be faster than, by precision: a list of Markdown."""
    lines = []
    peer = fastest_peer(found)
    for precision, limits in found["limits"].items():
        own = _seconds(found, OWN[precision])
        for name, seconds in limits.items() if own else ():
            said = f"- {precision}, bare {name}: {1e3 * seconds:.3g} ms, {seconds / own:.0%} of the time of a point"
            if peer and seconds < own:
                said += f"; its speed is {peer[1] / seconds:.2f} times the speed of {peer[0]}"
            lines.append(f"{said}.")
    return lines


def _aims(name: str, found: dict[str, Any]) -> list[str]:
    """Which aims a problem reaches, and by what was measured why not: items of a list of Markdown."""
    own, half, peer = _seconds(found, "fastscape"), _seconds(found, OWN["bfloat16"]), fastest_peer(found)
    naive = _seconds(found, "naive loop")
    if name not in AIMS or own is None or peer is None or naive is None:
        return []
    aims = [
        ("float32", peer[0], peer[1], own, AIMS[name][0]),
        ("float32", "the naive loop", naive, own, AIMS[name][1]),
    ]
    if half is not None and name in AIMS_OF_BFLOAT16:
        aims.append(("bfloat16", peer[0], peer[1], half, AIMS_OF_BFLOAT16[name]))
    said = []
    for precision, rival, theirs, ours, aim in aims:
        reached = theirs / ours
        text = (
            f"- {name}, {precision}, {aim:g} times the speed of {rival}: "
            f"{'reached' if reached >= aim else 'missed'}, {reached:.3g} times."
        )
        forward = found["limits"].get(precision, {}).get("forward")
        if reached < aim and forward:
            text += (
                f" {rival} needs {1e3 * theirs:.3g} ms per point, of which the bare forward pass takes "
                f"{1e3 * forward:.3g} ms.".replace("the naive loop needs", "The naive loop needs")
                + f" So a loop over points that calls torch's layers can reach {theirs / forward:.3g} times at most."
                f" A point in fastscape takes {ours / forward:.3g} times the pass."
            )
        said.append(text)
    return said


def _plan(plan: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (plan or {}).items())


def _seconds(found: dict[str, Any], name: str) -> float | None:
    return found["rows"].get(name, {}).get("seconds_a_point")


def _ratio(slow: float | None, fast: float | None) -> str:
    return "-" if slow is None or fast is None else f"{slow / fast:.2f}"


def chart(results: dict[str, Any], path: Path) -> None:
    """A bar for each rival and problem, as multiples of our time."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(results["problems"])
    rivals = ["fastscape", "naive loop", *PEERS]
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.9 * len(names)), layout="constrained")
    for k, rival in enumerate(rivals):
        heights = []
        for name in names:
            found = results["problems"][name]
            seconds, own = _seconds(found, rival), _seconds(found, "fastscape")
            heights.append(seconds / own if seconds and own else 0.0)
        places = [n + 0.16 * (k - 2) for n in range(len(names))]
        bars = axes.barh(places, heights, height=0.15, label=rival)
        axes.bar_label(bars, [f"{h:.1f}" if h else "" for h in heights], padding=2, fontsize=7)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("time of a surface, as a multiple of fastscape's (float32)")
    axes.legend(fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
