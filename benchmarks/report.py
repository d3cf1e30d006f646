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
    """One row a problem: time per point, and ratios to the naive loop and to the fastest other package."""
    lines = [
        "| problem | fastscape, ms a point | naive loop | fastest other package | bfloat16 against that package |",
        "|---|---|---|---|---|",
    ]
    for name, found in results["problems"].items():
        own = _seconds(found, "fastscape")
        if own is None:
            continue
        loop, peer, half = _seconds(found, "naive loop"), fastest_peer(found), _seconds(found, OWN["bfloat16"])
        lines.append(
            f"| {name}, {found['samples']} samples | {1e3 * own:.3g} | {_ratio(loop, own)} | "
            + (f"{_ratio(peer[1], own)} ({peer[0]})" if peer else "-")
            + f" | {_ratio(peer[1] if peer else None, half)} |"
        )
    sides = {name: found["side"] for name, found in results["problems"].items()}
    side = max(sides.values(), default=0)
    others = "".join(f" ({name}: {own} x {own})" for name, own in sides.items() if own != side)
    lines += [
        "",
        f"{_processors(results)}, {results['threads']} threads, torch {results['versions']['torch']}; whole surfaces "
        f"of {side} x {side} points{others}, planning and compilation included, float32 unless said.",
    ]
    return "\n".join(lines)


def page(results: dict[str, Any]) -> str:
    """The page with everything that was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items() if version)
    parts = [
        "# Benchmarks",
        "",
        "Made by `python -m benchmarks.run` from what it measured; nothing on this page is typed by hand.",
        "",
        summary(results),
        "",
        "![Time per grid point](images/benchmarks.png)",
        "",
        "## How it is measured",
        "",
        "The answer: the surface that is timed must agree with the naive loop, to rounding. The time: all take turns, "
        "each in a process of its own and after it has run once; whoever needs more than some seconds is stopped "
        "until its next turn, so that all see the same machine, and only the time of its turns counts. The median of "
        "the rounds counts, and the spread is the distance from the fastest to the slowest round as a fraction of "
        "it. Ours is always the whole grid, with "
        "planning and compilation, without a cache of compiled code. A rival that would need more than a minute for "
        "it walks 15 x 15 points, marked by *, and its time a point is taken as it is. The ceilings of the machine "
        "are measured with every problem. So are limits that no loop over the points passes with the layers of "
        "torch: the bare forward pass is the model alone, with its own weights, compiled; the bare convolutions are "
        "those of that pass and nothing else.",
        "",
        f"Measured with {results['threads']} threads; {versions}. The processor stands with each problem.",
    ]
    for name, found in results["problems"].items():
        parts += ["", f"## {name}", "", _details(found), *_aims(name, found)]
    parts += ["", table.START, "", table.section(), "", table.STOP]
    return "\n".join(parts) + "\n"


def _details(found: dict[str, Any]) -> str:
    own = _seconds(found, "fastscape")
    lines = [
        f"{found['parameters']:,} parameters, {found['samples']} samples, {found['side']} x {found['side']} points; "
        f"{found['processor']}; commit {found['commit']}, {found['date']}.",
        "",
        "| | ms a point | spread | fastscape is faster by |",
        "|---|---|---|---|",
    ]
    for name, row in found["rows"].items():
        shown = f"{name} {row['version'] or ''}".strip()
        if "error" in row:
            lines.append(f"| {shown} | could not run: {row['error'].replace('|', '/')} | | |")
            continue
        coarse = "*" if row["side"] != found["side"] else ""
        against = "" if name == "fastscape" else _ratio(row["seconds_a_point"], own)
        spread = f"{row['spread']:.0%}" if len(row["seconds"]) > 1 else "one round"
        lines.append(f"| {shown}{coarse} | {1e3 * row['seconds_a_point']:.3g} | {spread} | {against} |")
    plan = found["rows"]["fastscape"].get("plan")
    memory = ", ".join(f"{value:.0f} MB with {name}" for name, value in found.get("peak_megabytes", {}).items())
    answer = found["answer"]["fastscape, as timed"]
    lines += ["", f"Plan: {_plan(plan)}. Largest difference from the naive loop: {answer:.1e} of the range."]
    if memory:
        lines[-1] += f" Peak memory beyond the problem, 3 x 3 points in a fresh process: {memory}."
    lines += ["", _ceilings(found, own)]
    if found.get("operations"):
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found["operations"].items())
        lines[-1] += f" Of the time of torch's operations take: {shares}."
    half = found["rows"][OWN["bfloat16"]].get("precision_error")
    if half:
        lines[-1] += f" bfloat16 differs from float32 by {half['rms']:.1e} rms, {half['largest']:.1e} at most."
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
            said = f"- {precision}, bare {name}: {1e3 * seconds:.3g} ms, {seconds / own:.0%} of a point"
            if peer and seconds < own:
                said += f"; at most {peer[1] / seconds:.2f}x as fast as {peer[0]}"
            lines.append(f"{said}.")
    return lines


def _aims(name: str, found: dict[str, Any]) -> list[str]:
    """Which aims a problem reaches, and by what was measured why not: a paragraph of Markdown."""
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
        text = f"{precision} {aim:g}x as fast as {rival}: {'reached' if reached >= aim else 'missed'}, {reached:.3g}x"
        forward = found["limits"].get(precision, {}).get("forward")
        if reached < aim and forward:
            text += (
                f" (the bare forward pass alone takes {1e3 * forward:.3g} ms of the {1e3 * theirs:.3g} ms that "
                f"{rival} needs for a point, which leaves {theirs / forward:.3g}x to any loop over points that calls "
                f"torch's layers; a point here takes {ours / forward:.3g} times the pass)"
            )
        said.append(text)
    return ["", f"Aims: {'; '.join(said)}."]


def _plan(plan: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (plan or {}).items())


def _seconds(found: dict[str, Any], name: str) -> float | None:
    return found["rows"].get(name, {}).get("seconds_a_point")


def _ratio(slow: float | None, fast: float | None) -> str:
    return "-" if slow is None or fast is None else f"{slow / fast:.3g}x"


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
