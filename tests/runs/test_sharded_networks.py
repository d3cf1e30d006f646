"""Language models of transformers have one landscape, whole, shared out among processes, and in place."""

import json
import os

import numpy as np
import pytest
import sharded_models
import sharded_networks
import torch

from processes import one_thread, several

pytest.importorskip("transformers")
pytestmark = pytest.mark.skipif(not os.environ.get("FASTSCAPE_SHARDED"), reason="takes minutes: make sharded")

WAYS = {2: ["1-memory", "1-place"], 4: ["1-memory", "2-place"]}


@pytest.fixture(scope="module", params=sharded_networks.NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def whole(name):
    with one_thread():
        return sharded_networks.surface(sharded_networks.network(name))


def test_the_loss_is_that_of_the_model_itself(name, whole):
    model = sharded_networks.network(name)
    with torch.no_grad(), one_thread():
        losses = [float(sharded_networks.own_loss(model, batch)) for batch in sharded_networks.texts()]
    assert whole.report["centre"]["loss"] == pytest.approx((3 * losses[0] + 2 * losses[1]) / 5, rel=1e-6)


@pytest.mark.parametrize("processes", WAYS)
def test_it_is_the_same_in_processes_that_hold_parts_of_it(name, whole, processes, tmp_path):
    ways = [f"{name}-{way}" for way in WAYS[processes]]
    done = several(tmp_path, " ".join(ways), processes, told=sharded_models.told)
    assert done.returncodes == [0] * processes, done.stderr
    for rank in range(processes):
        for way, one in json.loads((tmp_path / f"{rank}.json").read_text()).items():
            np.testing.assert_allclose(one["loss"], whole.loss, rtol=1e-5, err_msg=way)
            assert one["same"], way
            assert one["weights_hash"] == whole.report["weights_hash"]
            assert one["model"] == whole.report["model"]
            assert one["warnings"] == []
    assert len(np.unique(whole.loss)) == whole.loss.size


def test_in_place_it_is_the_same_in_one_process(name, whole):
    with one_thread():
        found = sharded_networks.surface(sharded_networks.network(name), low_memory=True)
    np.testing.assert_allclose(found.loss, whole.loss, rtol=1e-5)
