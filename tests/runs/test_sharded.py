"""A model that torch shares out among processes has the landscape of the whole model, and stays as it is."""

import json
import sys

import numpy as np
import pytest
import sharded_models
import torch

from processes import one_thread, several

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo")

TWO = (
    "fsdp in_place in_place_parallel tensor_parallel used_before options refused fails_in_one fails abandoned "
    "in_layers"
)
FOUR = "fsdp replicas both in_layers_of_four"


def said(folder, doing, processes):
    """What each of some processes has found, by the name of the case."""
    done = several(folder, doing, processes, told=sharded_models.told)
    assert done.returncodes == [0] * processes, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return said(tmp_path_factory.mktemp("two"), TWO, 2)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    return said(tmp_path_factory.mktemp("four"), FOUR, 4)


def transformer(**options):
    with one_thread():
        return sharded_models.transformer_surface(sharded_models.seeded(sharded_models.Transformer), **options)


@pytest.fixture(scope="module")
def whole():
    return transformer()


@pytest.fixture(scope="module")
def perceptron():
    with one_thread():
        model = sharded_models.seeded(sharded_models.Perceptron)
        return sharded_models.perceptron_surface(model, perturb="all", normalize="layer")


def assert_the_same(found, whole):
    for one in found:
        np.testing.assert_allclose(one["loss"], whole.loss, rtol=1e-11)
        assert one["same"]
        assert one["warnings"] == []
        for key in ("model", "weights_hash"):
            assert one[key] == whole.report[key]
        assert one["norms"] == pytest.approx(whole.report["norms"], rel=1e-12)
        assert one["cosine"] == pytest.approx(whole.report["cosine"], rel=1e-9)
    assert len({json.dumps(one["loss"]) for one in found}) == 1
    assert len(np.unique(whole.loss)) == whole.loss.size


@pytest.mark.parametrize("case", ["fsdp", "in_place", "tensor_parallel", "in_place_parallel"])
def test_two_processes_have_the_landscape_of_the_whole_model(two, whole, perceptron, case):
    found = [one[case] for one in two]
    assert_the_same(found, perceptron if "parallel" in case else whole)
    assert found[0]["processes"] == 2


@pytest.mark.parametrize("case", ["fsdp", "replicas", "both"])
def test_four_processes_have_the_landscape_of_the_whole_model(four, whole, perceptron, case):
    assert_the_same([one[case] for one in four], whole if case in ("fsdp", "replicas") else perceptron)


def assert_gathered_once(found, whole, passes_at_once=9):
    assert_the_same(found, whole)
    for one in found:
        np.testing.assert_allclose(one["loss"], one["loop"], rtol=1e-12)
        assert (one["batching"], one["fallback"], one["again"]) == ("layers", None, True)
    sweeps = [sweep for one in found for sweep in one["gathers"]]  # a replica may have none
    # The embedding, two blocks, the head with the weights of the embedding, and what is beside it.
    assert {gathers for _, gathers in sweeps} == {5}
    assert max(passes for passes, _ in sweeps) == passes_at_once


@pytest.mark.parametrize("name", ["weights", "disk", "repeats"])
def test_in_layers_weights_are_gathered_once_for_all_points(two, name):
    assert_gathered_once([one["in_layers"][name] for one in two], transformer(**sharded_models.IN_LAYERS[name]))


def test_an_error_in_layers_comes_everywhere_and_leaves_the_model_as_it_was(two):
    for one in two:
        assert one["in_layers"]["fails"] == {"said": "OSError: the disk is full", "same": True}


def test_in_layers_with_parts_that_are_empty(four):
    assert_gathered_once([one["in_layers_of_four"]["four"] for one in four], transformer(perturb="all"))


def test_replicas_gather_among_themselves_in_layers(four, whole):
    assert_gathered_once([one["in_layers_of_four"]["replicas"] for one in four], whole)


def test_what_is_never_gathered_goes_to_a_loop_and_says_why(two, four):
    cut = "no layers: first.weight is cut by tensor parallelism, which never gathers it"
    for one in two:
        found = one["in_layers"]
        memory = "no layers: a process has its part of the directions in memory; write low_memory=True"
        assert (found["in memory"]["fallback"], found["in memory"]["batching"]) == (memory, "loop")
        assert found["cut"] == cut
        assert found["narrow"] == "no layers: fully_shard computes in another precision"
    assert [one["in_layers_of_four"]["cut twice"] for one in four] == [cut] * 4


def test_the_loss_is_that_of_the_model_itself(whole):
    model = sharded_models.seeded(sharded_models.Transformer)
    with torch.no_grad():
        losses = [sharded_models.of_tokens(model(inputs), targets) for inputs, targets in sharded_models.texts()]
    assert whole.report["centre"]["loss"] == pytest.approx(float(torch.cat(losses).mean()), rel=1e-12)


def test_what_fsdp_keeps_whole_after_a_forward_pass_is_of_no_point(two, whole):
    for one in two:
        found = one["used_before"]
        np.testing.assert_allclose(found["loss"], whole.loss, rtol=1e-11)
        assert found["same"]
        assert found["kinds"] == ["DTensor", "Tensor"]  # also after a run FSDP2 hands out parts, and a buffer


@pytest.mark.parametrize("name", sharded_models.OPTIONS)
def test_options_of_a_run(two, name):
    wanted = transformer(**sharded_models.OPTIONS[name]).loss
    for one in two:
        np.testing.assert_allclose(one["options"][name], wanted, rtol=1e-9)


def test_a_run_that_fails_everywhere_says_so_everywhere_and_the_next_one_runs(two, whole):
    for one in two:
        assert "the disk is full" in one["fails"]["said"]
        assert one["fails"]["same"]
        np.testing.assert_allclose(one["fails"]["loss"], whole.loss, rtol=1e-11)


@pytest.mark.parametrize("version", ["new", "old"])
def test_a_forward_pass_that_all_have_left_in_the_middle_is_forgotten(two, version):
    for one in two:
        assert one["abandoned"][version] == {"said": "the disk is full", "same": True, "again": True}


def test_a_run_that_fails_in_one_process_ends_in_all(two):
    alone = "process 1 failed in an evaluation, and others that hold the same model did not: OSError: the disk is full"
    early, late = ([one["fails_in_one"][when] for one in two] for when in ("early", "late"))
    assert early[1]["said"].startswith(f"RuntimeError: {alone}; give all of them the same data, loss and objective")
    assert late[1]["said"] == "OSError: the disk is full"
    for first, cause in ((early[0], f"RuntimeError: {alone}"), (late[0], "OSError: the disk is full")):
        said = f"RuntimeError: another process of this landscape has failed: process 1: {cause}"
        assert first["said"].startswith(said)
    assert all(one["same"] for one in (*early, *late))


def test_a_process_that_fails_and_ends_within_a_forward_pass_ends_the_others(tmp_path):
    several(tmp_path, "fails_inside", 2, told=sharded_models.told)
    first, second = (json.loads((tmp_path / f"inside-{rank}.json").read_text()) for rank in range(2))
    assert "process 1 failed in an evaluation, and others" in second["said"]
    assert "another process of this landscape has failed: process 1: " in first["said"]
    assert all("OSError: the disk is full" in one["said"] and one["same"] for one in (first, second))


def test_what_cannot_be_done_with_parts_is_refused(two):
    for one in two:
        found = one["refused"]
        assert "Transformer are shared out among processes" in found["lend"]
        assert "write lend=True in surface or line" in found["lend"]
        assert "each process draws its part of random directions" in found["directions"]
        assert "batchnorm='batch' looks for layers in a copy" in found["batchnorm"]
        assert "a model that 2 processes share and evaluate together" in found["distributed"]
        assert "leave it out, and make the call in all of them" in found["distributed"]
