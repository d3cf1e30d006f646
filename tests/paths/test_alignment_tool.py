"""The tool that aligns networks of other packages: what it calls proved, refused and wrong."""

import json

import torch
from torch import nn

import fastscape
from benchmarks.zoo import aligned as tool
from benchmarks.zoo.network import Network


def network(name, build):
    return Network(name, "none", "rows", build, lambda n: (torch.randn(n, 4), torch.randint(3, (n,))))


MLP = network("mlp", lambda: nn.Sequential(nn.Linear(4, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3)))


def test_a_network_is_proved_by_plain_code():
    row = tool.aligned(MLP)
    assert (row["word"], row["permutations"], row["moved"]) == ("proved", 1, 1)
    assert row["error"] < 1e-12
    assert row["after"] < row["before"]
    assert "proved to" in tool.told(row)


def test_a_network_is_refused():
    row = tool.aligned(network("linear", lambda: nn.Linear(4, 3)))
    assert row["word"] == "refused"
    assert "no hidden units" in tool.told(row)


def test_what_is_wrong_is_called_so(monkeypatch):
    align = fastscape.align

    def wrong(model, data, **options):
        found = align(model, data, **options)
        with torch.no_grad():
            found.model[0].weight[[0, 1]] = found.model[0].weight[[1, 0]]  # of two units the weights alone
        return found

    monkeypatch.setattr(tool.fastscape, "align", wrong)
    assert tool.aligned(MLP)["word"] == "WRONG"


def test_the_page_is_what_the_results_make(monkeypatch):
    rows = [tool.aligned(MLP), tool.aligned(network("linear", lambda: nn.Linear(4, 3)))]
    said = tool.page({"networks": rows, "versions": {"torch": "x"}, "python": "y", "date": "z"})
    assert "Of 2 networks: 1 proved, 1 refused." in said
    assert "| mlp | 93 | proved to" in said
    assert "| linear | 15 | refused: Linear cannot be aligned" in said
    results = json.loads(tool.RESULTS.read_text())
    assert tool.PAGE.read_text() == tool.page(results)
    counts = {kind: sum(row["kind"] == kind for row in results["networks"]) for kind in tool.WANTED}
    assert counts == tool.WANTED
    assert not [row["name"] for row in results["networks"] if row["word"] in ("WRONG", "crashed")]
