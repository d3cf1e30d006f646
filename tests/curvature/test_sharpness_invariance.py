"""Which changes of the weights leave a measure of sharpness as it is: as the measure claims, and no other."""

import copy

import pytest
import torch
from torch import nn

import fastscape
from fastscape.curvature import INVARIANCES, MEASURES

OPTIONS = {
    "steps": 30,
    "radii": [0.2],
    "directions": 64,
    "tolerance": 1e-6,
    "progress": False,
    "m": 16,
    "increase": 0.05,
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    return model.double()


def layers_scaled(model: nn.Sequential) -> None:
    """The first layer times 4, the next one divided by 4: a power of two, so that the outputs are the same bits."""
    model[0].weight *= 4
    model[0].bias *= 4
    model[2].weight /= 4


def neurons_scaled(model: nn.Sequential) -> None:
    factors = 2.0 ** torch.tensor([-2, -1, 0, 1, 2, 3]).double()
    model[0].weight *= factors[:, None]
    model[0].bias *= factors
    model[2].weight /= factors


def neurons_reordered(model: nn.Sequential) -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    model[0].weight.copy_(model[0].weight[order].clone())
    model[0].bias.copy_(model[0].bias[order].clone())
    model[2].weight.copy_(model[2].weight[:, order].clone())


CHANGES = {"layer scaling": layers_scaled, "neuron scaling": neurons_scaled, "neuron order": neurons_reordered}


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 3, generator=generator).double()
    return x, (x[:, 0] + 0.3 * torch.randn(40, generator=generator) > 0).long()


@pytest.fixture(scope="module")
def found(data):
    """The report of a trained network, and of the same function with other weights."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data[0]), data[1]).backward()
        optimizer.step()
    reports = {"": fastscape.sharpness(model, data, **OPTIONS)}
    for name, change in CHANGES.items():
        other = copy.deepcopy(model)
        with torch.no_grad():
            change(other)
            assert torch.allclose(other(data[0]), model(data[0]), rtol=1e-12)
        reports[name] = fastscape.sharpness(other, data, **OPTIONS)
    return reports


def test_all_changes_that_are_named_are_looked_at():
    assert CHANGES.keys() == INVARIANCES.keys()
    assert all(set(about.invariant_to) <= CHANGES.keys() for about in MEASURES.values())


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", [name if name != "random_directions" else f"{name}_0.2" for name in MEASURES])
def test_a_measure_changes_or_not_as_it_says(found, name, change):
    before, after = found[""][name], found[change][name]
    ratio = after.value / before.value
    if change not in before.invariant_to:
        assert not 0.8 < ratio < 1.25
        return
    drawn = change == "neuron order" and before.standard_error  # other directions for the same neurons
    if drawn:
        assert abs(after.value - before.value) < 4 * (before.standard_error**2 + after.standard_error**2) ** 0.5
    else:
        assert ratio == pytest.approx(1, rel=1e-3)


def test_the_known_ratios_of_two_models(found):
    """Scaled by 4 and 1/4: what is claimed to be invariant has a ratio of 1, bit for bit where nothing is searched."""
    both = found[""].beside(found["layer scaling"], names=["trained", "scaled"])
    lines = {line.split()[0]: line for line in str(both).splitlines() if line}
    assert float(lines["random_directions_0.2"].split()[-1]) == 1
    assert float(lines["adaptive_worst_case"].split()[-1]) == pytest.approx(1, abs=1e-3)
    assert float(lines["pac_bayes_sigma_relative"].split()[-1]) == pytest.approx(1, abs=1e-3)
    for name in ("worst_case", "largest_eigenvalue", "trace"):
        assert float(lines[name].split()[-1]) > 1.25
    assert float(lines["pac_bayes_sigma"].split()[-1]) < 0.8
