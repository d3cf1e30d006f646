"""Checkpoints in every form that users have them in, and what is no checkpoint of this model."""

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_trajectories import Odd, found_by, moved, tensors_of, training
from torch import nn

import fastscape
from fastscape.weights import Recording, gram_of_checkpoints, layout_of, stack
from trainings import flat, record


def states(models) -> list[dict]:
    return [{name: t.clone() for name, t in m.state_dict().items()} for m in models]


def in_files(models, folder, ending, wrapped=lambda state: state):
    paths = []
    for k, state in enumerate(states(models)):
        paths.append(folder / f"{k}{ending}")
        torch.save(wrapped(state), paths[-1])
    return paths


FORMS = {
    "modules": lambda models, _: models,
    "state dicts": lambda models, _: states(models),
    "whole checkpoints": lambda models, _: [{"epoch": 1, "model": state} for state in states(models)],
    "a recording": lambda models, folder: record(folder / "run", [tensors_of(m) for m in models]),
    "a recording, opened": lambda models, folder: Recording(record(folder / "run", [tensors_of(m) for m in models])),
    ".pt": lambda models, folder: in_files(models, folder, ".pt"),
    ".ckpt": lambda models, folder: in_files(models, folder, ".ckpt", lambda s: {"epoch": 3, "state_dict": s}),
    ".pth": lambda models, folder: in_files(models, folder, ".pth", lambda s: {"model_state_dict": s, "lr": 0.1}),
    "compiled": lambda models, _: [{f"_orig_mod.{n}": t for n, t in state.items()} for state in states(models)],
    "part of another": lambda models, _: [{f"net.{n}": t for n, t in s.items()} for s in states(models)],
    "channels last": lambda models, _: [copy.deepcopy(m).to(memory_format=torch.channels_last) for m in models],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("perturb", ["all", "states"])
def test_every_form_gives_the_same_plane(form, perturb, tmp_path, monkeypatch):
    monkeypatch.setattr(stack, "READ", 1 << 12)
    monkeypatch.setattr(stack, "COMPUTED", 1 << 11)
    models = training(5)
    source = fastscape.pca(FORMS[form](models, tmp_path))
    monkeypatch.setattr(type(source), "perturb", perturb)
    found, rows, names = found_by(source, models[-1])
    vectors = torch.stack([flat({**dict(m.named_parameters()), **dict(m.named_buffers())}, names) for m in models])
    assert {"turn", "up.weight", "back.weight", "scale"} < set(names)
    assert ("norm.running_var" in names) == (perturb == "states")
    plane = torch.linalg.svd(vectors - vectors[-1], full_matrices=False).Vh[:2]
    torch.testing.assert_close((rows @ plane.T).abs(), torch.eye(2).double(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.abs(found.paths[0].points), ((vectors - vectors[-1]) @ plane.T).abs(), atol=1e-9)
    kept = found.checkpoints["training"].tensors(3)
    for name, tensor in tensors_of(models[3]).items():
        assert torch.equal(kept[name], tensor), name


def test_a_checkpoint_of_an_inner_network_and_of_an_outer_one():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))

    models = training(4, Outer())
    inner, outer = (
        found_by(fastscape.pca([m.net for m in models]), models[-1]),
        found_by(fastscape.pca(models), models[-1]),
    )
    torch.testing.assert_close(inner[1], outer[1])
    assert set(inner[0].checkpoints["training"].tensors(0)) == set(models[0].state_dict())


def test_bfloat16_records_are_read_as_they_are(tmp_path):
    model = nn.Linear(30, 20)
    rounded = [{n: t.bfloat16() for n, t in tensors_of(moved(model)).items()} for _ in range(6)]
    found, rows, names = found_by(fastscape.pca(record(tmp_path / "run", rounded)), model)
    vectors = torch.stack([flat(one, names) for one in rounded])
    plane = torch.linalg.svd(vectors - vectors[-1], full_matrices=False).Vh[:2]
    torch.testing.assert_close((rows @ plane.T).abs(), torch.eye(2).double(), rtol=0, atol=1e-9)
    rest = vectors - flat(dict(model.named_parameters()), names)
    np.testing.assert_allclose(found.paths[0].points, rest @ rows.T, atol=1e-9)


def test_a_tensor_that_no_record_has_has_not_moved(tmp_path):
    models = training(4, nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)))
    part = [{n: t for n, t in tensors_of(m).items() if not n.startswith("0.")} for m in models]
    found, rows, names = found_by(fastscape.pca(record(tmp_path / "run", part)), models[0])
    frozen = sum(tensors_of(models[0])[n].numel() for n in names if n.startswith("0."))
    assert not rows[:, :frozen].any()
    vectors = torch.stack([flat(one, names[2:]) for one in part])
    np.testing.assert_allclose(
        found.paths[0].points[2] - found.paths[0].points[1], (vectors[2] - vectors[1]) @ rows[:, frozen:].T
    )


class TestOtherModels:
    def test_what_one_lacks_and_others_have(self, tmp_path):
        kept = [tensors_of(m) for m in training(4, nn.Linear(3, 2))]
        del kept[2]["bias"]
        with pytest.raises(
            ValueError, match="every checkpoint must have the same tensors: step 20 of 'training' has no bias, and"
        ):
            found_by(fastscape.pca(record(tmp_path / "run", kept)), nn.Linear(3, 2))
        with pytest.raises(ValueError, match="checkpoint 2 of 'SGD' has no bias, and checkpoint 0 of 'SGD' has"):
            found_by(fastscape.pca({"SGD": kept}), nn.Linear(3, 2))

    def test_another_shape(self):
        with pytest.raises(
            ValueError, match=r"weight of checkpoint 0 of 'training' must have shape \(2, 3.*, got \(2, 4\)"
        ):
            found_by(fastscape.pca(training(2, nn.Linear(4, 2))), nn.Linear(3, 2))

    def test_other_names(self):
        with pytest.raises(
            ValueError, match="checkpoint 0 of 'training' must be a checkpoint of this model, with weight, bias, got"
        ):
            found_by(fastscape.pca(training(2)), nn.Linear(3, 2))

    def test_a_deeper_network(self):
        deep = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        with pytest.raises(
            ValueError, match=r"checkpoint 0 of 'training' must be a checkpoint of this model, but also has 1\.weight,"
        ):
            found_by(fastscape.pca(training(3, deep)), deep[:1])

    def test_whole_numbers_and_imaginary_parts(self):
        with pytest.raises(
            ValueError, match=r"weight of checkpoint 0 of 'training' must have shape \(1, 1\), as in the model, got no"
        ):
            found_by(
                fastscape.pca([{"weight": torch.ones(1, 1).int()}, {"weight": torch.zeros(1, 1).int()}]),
                nn.Linear(1, 1),
            )
        kept = [{"weight": torch.full((1, 2), 1 + k + 1j)} for k in range(3)]
        with pytest.raises(
            ValueError, match="weight of checkpoint 0 of 'training' must be real, as in the model, got complex numbers"
        ):
            found_by(fastscape.pca(kept), nn.Linear(2, 1, bias=False))

    def test_real_numbers_for_a_complex_tensor(self):
        class Turn(nn.Module):
            def __init__(self):
                super().__init__()
                self.z = nn.Parameter(torch.zeros(5, dtype=torch.complex64))

        kept = [{"z": torch.randn(5)} for _ in range(4)] + [{"z": torch.randn(5, dtype=torch.complex64)}]
        _, rows, names = found_by(fastscape.pca(kept), Turn())
        vectors = torch.stack([flat({"z": one["z"].to(torch.complex64)}, names) for one in kept])
        plane = torch.linalg.svd(vectors - vectors[-1], full_matrices=False).Vh[:2]
        torch.testing.assert_close((rows @ plane.T).abs(), torch.eye(2).double(), rtol=0, atol=1e-9)

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    @pytest.mark.parametrize("where", [1, 3])
    def test_weights_that_are_not_finite(self, bad, where, tmp_path):
        kept = [tensors_of(m) for m in training(4, nn.Linear(3, 2))]
        kept[where]["weight"][1, 2] = bad
        folder = record(tmp_path / "run", kept)
        for source in (fastscape.pca(folder), fastscape.start_to_end(folder)):
            with pytest.raises(
                ValueError, match=f"step {10 * where} of 'training' has weights that are NaN or infinite"
            ):
                found_by(source, nn.Linear(3, 2))
        data = torch.randn(4, 3), torch.arange(4) % 2
        with pytest.raises(ValueError, match=f"step {10 * where} of 'training' has weights that are NaN or infinite"):
            fastscape.surface(
                nn.Linear(3, 2), data, directions=fastscape.projected(folder, fastscape.weights.Random())
            )
        assert not (folder / gram_of_checkpoints.KEPT).exists()

    def test_a_model_that_is_not_finite(self):
        model = nn.Linear(3, 2)
        with torch.no_grad():
            model.weight[0, 0] = float("nan")
        with pytest.raises(ValueError, match="the model has weights that are NaN or infinite"):
            found_by(fastscape.pca(training(3, nn.Linear(3, 2))), model)


class TestGiven:
    @pytest.mark.parametrize("wrong", [3, nn.Linear(2, 1), None])
    def test_what_is_no_training(self, wrong):
        with pytest.raises(
            TypeError, match=r"checkpoints must be the folder of a recording, a list of modules.*, got .*"
        ):
            fastscape.pca(wrong)

    def test_what_is_no_checkpoint(self):
        with pytest.raises(
            TypeError, match=r"checkpoint 1 of 'training' must be a module, a state dict, or.*, got int"
        ):
            fastscape.pca([nn.Linear(2, 1), 3])
        with pytest.raises(TypeError, match=r"checkpoint 0 of 'training' must be .*, got dict"):
            fastscape.pca([{"epoch": 3}])
        with pytest.raises(
            TypeError,
            match="checkpoints must be a list of checkpoints, the folder of a recording, or a dict from names to",
        ):
            fastscape.pca(nn.Linear(2, 1).state_dict())
        with pytest.raises(ValueError, match="'training' must have at least one checkpoint, got none"):
            fastscape.pca([])
        with pytest.raises(ValueError, match="checkpoints must have a training for each name, got an empty dict"):
            fastscape.pca({})
        with pytest.raises(ValueError, match="checkpoint 0 of 'training' has no values of weight, bias"):
            fastscape.pca([nn.Linear(2, 1, device="meta")])

    def test_a_state_dict_that_follows_the_model(self):
        model = nn.Linear(3, 2)
        with pytest.raises(ValueError, match="checkpoints 0 and 1 of 'training' are the same tensors in memory"):
            fastscape.start_to_end([model.state_dict() for _ in range(3)])
        with pytest.raises(ValueError, match="checkpoints 0 and 1 of 'a' are the same tensors in memory"):
            fastscape.start_to_end({"a": [model, model]})

    def test_files_that_are_none(self, tmp_path):
        (tmp_path / "a.pt").write_bytes(b"nothing")
        (tmp_path / "a.safetensors").write_bytes(b"nothing")
        torch.save({"epoch": 3}, tmp_path / "b.pt")
        torch.save([nn.Linear(2, 1)], tmp_path / "c.pt")
        for name, message in {
            "a.pt": r"must be a state dict that torch\.save or safetensors has written: mmap can only be used",
            "a.safetensors": "is no whole safetensors file: its header is cut off",
            "b.pt": r"must hold a state dict, tensors by name, as model\.state_dict\(\) gives them, also under",
            "c.pt": r"must be a state dict that torch\.save or safetensors has written: Weights only load",
        }.items():
            with pytest.raises(ValueError, match=message):
                fastscape.pca([tmp_path / name])
        with pytest.raises(FileNotFoundError):
            fastscape.pca([tmp_path / "none.pt"])
        with pytest.raises(ValueError, match=r"is no recording: it has no index\.jsonl"):
            fastscape.pca(tmp_path)

    def test_files_of_safetensors(self, tmp_path):
        models = training(4, nn.Linear(3, 2))
        for k, one in enumerate(models):
            save_file(tensors_of(one), tmp_path / f"{k}.safetensors")
        _, rows, _ = found_by(fastscape.pca([str(tmp_path / f"{k}.safetensors") for k in range(4)]), models[-1])
        torch.testing.assert_close(rows, found_by(fastscape.pca(models), models[-1])[1])


class TestKeptMatrix:
    """The Gram matrix lies beside a recording, and is read as long as it is that of its files."""

    @pytest.fixture
    def passes(self, monkeypatch):
        """How often the files were read as a whole, for a matrix or a row of it."""
        counted = []
        for name, kept in (("_products", False), ("_with_model", True)):
            run = getattr(gram_of_checkpoints, name)
            monkeypatch.setattr(
                gram_of_checkpoints, name, lambda *given, run=run, kept=kept: counted.append(kept) or run(*given)
            )
        return counted

    def test_it_is_computed_once(self, tmp_path, passes):
        models = training(5, nn.Linear(4, 3))
        folder = record(tmp_path / "run", [tensors_of(m) for m in models])
        first = found_by(fastscape.pca(folder), models[-1])
        second = found_by(fastscape.pca(folder, center="mean"), models[-1])
        again = found_by(fastscape.pca(folder), models[-1])
        assert passes == [False]
        np.testing.assert_array_equal(first[0].paths[0].points, again[0].paths[0].points)
        assert not np.allclose(first[1], second[1])

    def test_another_model_has_its_row_computed(self, tmp_path, passes):
        models = training(5, nn.Linear(4, 3))
        folder = record(tmp_path / "run", [tensors_of(m) for m in models])
        found_by(fastscape.pca(folder), models[-1])
        other = moved(models[-1])
        kept = found_by(fastscape.pca(folder), other)[0].paths[0]
        assert passes == [False, True]
        plain = found_by(fastscape.pca(models), other)[0].paths[0]
        np.testing.assert_allclose(kept.points, plain.points, atol=1e-12)
        np.testing.assert_allclose(kept.off_plane, plain.off_plane, atol=1e-7)

    def test_other_records_or_other_tensors_have_another_matrix(self, tmp_path, passes, monkeypatch):
        models = training(6, nn.Linear(4, 3))
        folder = record(tmp_path / "run", [tensors_of(m) for m in models[:4]])
        found_by(fastscape.pca(folder), models[-1])
        record(folder, [tensors_of(m) for m in models[2:]])  # other weights in files of the same names and lengths
        again = found_by(fastscape.pca(folder), models[-1])
        torch.testing.assert_close(again[1], found_by(fastscape.pca(models[2:]), models[-1])[1])
        record(folder, [tensors_of(m) for m in models])
        found, _, _ = found_by(fastscape.pca(folder), models[-1])
        assert len(found.paths[0]) == 6
        monkeypatch.setattr(type(fastscape.pca(folder)), "perturb", "weights")
        assert len(found_by(fastscape.pca(folder), models[-1])[2]) == 1
        assert passes == [False] * 5

    def test_what_is_damaged_or_cannot_be_written_is_computed_anew(self, tmp_path, passes):
        models = training(4, nn.Linear(4, 3))
        folder = record(tmp_path / "run", [tensors_of(m) for m in models])
        file = folder / gram_of_checkpoints.KEPT
        wanted = found_by(fastscape.pca(folder), models[-1])[1]
        for content in (b"", b"nothing", file.read_bytes()[:200], file.read_bytes()[:-5]):
            file.write_bytes(content)
            assert torch.equal(found_by(fastscape.pca(folder), models[-1])[1], wanted)
        file.unlink()
        file.mkdir()  # so that nothing can be written there
        assert torch.equal(found_by(fastscape.pca(folder), models[-1])[1], wanted)
        assert passes == [False] * 6

    def test_beside_files_that_are_no_recording_nothing_is_left(self, tmp_path):
        models = training(4, nn.Linear(3, 2))
        paths = in_files(models, tmp_path, ".pt")
        before = sorted(tmp_path.iterdir())
        found_by(fastscape.pca(paths), models[-1])
        folder = record(tmp_path / "run", [tensors_of(m) for m in models])
        found_by(fastscape.pca({"recorded": folder, "in memory": [moved(models[0])]}), models[-1])
        assert sorted(p for p in tmp_path.iterdir() if p.is_file()) == before
        assert not (folder / gram_of_checkpoints.KEPT).exists()

    def test_several_recordings_have_theirs_in_the_first(self, tmp_path, passes):
        models = training(5, nn.Linear(4, 3))
        folders = {name: record(tmp_path / name, [tensors_of(moved(m)) for m in models]) for name in ("a", "b")}
        for _ in range(2):
            found, _, _ = found_by(fastscape.pca(folders), models[-1])
        assert [len(path) for path in found.paths] == [5, 5]
        assert passes == [False]
        assert (folders["a"] / gram_of_checkpoints.KEPT).exists()
        assert not (folders["b"] / gram_of_checkpoints.KEPT).exists()


class TestSinglePrecision:
    """Products in float32, where their errors are seen to be small enough; in float64 where they are not."""

    @pytest.fixture
    def passes(self, monkeypatch):
        monkeypatch.setattr(gram_of_checkpoints, "_MANY", 0)
        monkeypatch.setattr(stack, "COMPUTED", 1 << 16)
        counted = []
        for name in ("_single", "_products"):
            run = getattr(gram_of_checkpoints, name)
            monkeypatch.setattr(
                gram_of_checkpoints, name, lambda s, run=run, name=name: counted.append(name) or run(s)
            )
        return counted

    def states_along(self, sizes, count=24, width=400):
        """Checkpoints with some singular values about the last one."""
        ways = torch.linalg.qr(torch.randn(width * width, len(sizes)).double()).Q.T * torch.tensor(sizes)[:, None]
        at = torch.linalg.qr(torch.randn(count - 1, len(sizes)).double()).Q
        at = torch.cat([at, torch.zeros(1, len(sizes))])
        return [{"weight": row.view(width, width).float()} for row in at @ ways]

    def plane_of(self, states):
        vectors = torch.stack([one["weight"].double().reshape(-1) for one in states])
        return torch.linalg.svd(vectors - vectors[-1], full_matrices=False).Vh[:2], vectors

    @pytest.mark.parametrize("source", [fastscape.pca, fastscape.start_to_end])
    def test_two_strong_directions_need_no_more(self, source, passes):
        states = self.states_along([8.0, 5.0, 0.2])
        model = nn.Linear(400, 400, bias=False)
        found, rows, _ = found_by(source(states), model)
        assert passes == ["_single"]
        plane, vectors = self.plane_of(states)
        if source is fastscape.pca:
            torch.testing.assert_close((rows @ plane.T).abs(), torch.eye(2).double(), rtol=0, atol=1e-6)
        torch.testing.assert_close(rows @ rows.T, torch.eye(2).double(), rtol=0, atol=1e-6)
        rest = vectors - model.weight.detach().double().reshape(-1)
        np.testing.assert_allclose(found.paths[0].points, rest @ rows.T, atol=1e-4)

    @pytest.mark.parametrize("sizes", [[8.0, 0.008, 0.0008], [8.0, 3.0, 2.9999999]])
    def test_a_weak_second_direction_or_one_like_the_third_is_computed_in_float64(self, sizes, passes):
        states = self.states_along(sizes)
        _, rows, _ = found_by(fastscape.pca(states), nn.Linear(400, 400, bias=False))
        assert passes == ["_single", "_products"]
        plane, _ = self.plane_of(states)
        assert abs(float(rows[0] @ plane[0])) == pytest.approx(1, abs=1e-12)

    @pytest.mark.parametrize("scale", [1e-24, 1e25])
    def test_what_float32_cannot_hold_is_computed_in_float64(self, scale, passes):
        states = [{"weight": scale * one["weight"]} for one in self.states_along([8.0, 5.0, 0.2])]
        _, rows, _ = found_by(fastscape.pca(states), nn.Linear(400, 400, bias=False))
        assert passes == ["_single", "_products"]
        plane, _ = self.plane_of(states)
        torch.testing.assert_close((rows @ plane.T).abs(), torch.eye(2).double(), rtol=0, atol=1e-9)

    def test_float64_is_never_rounded(self, passes):
        states = [{"weight": one["weight"].double()} for one in self.states_along([8.0, 5.0, 0.2])]
        found_by(fastscape.pca(states), nn.Linear(400, 400, bias=False))
        assert passes == ["_products"]

    def test_the_kept_matrix_says_how_exact_it_is(self, tmp_path, passes):
        folder = record(tmp_path / "run", self.states_along([8.0, 3.0, 2.9999999]))
        model = nn.Linear(400, 400, bias=False)
        found_by(fastscape.pca(folder), model, 1)
        assert passes == ["_single"]
        found_by(fastscape.pca(folder), model, 1)
        assert passes == ["_single"]
        found_by(fastscape.pca(folder), model, 2)
        assert passes == ["_single", "_products"]
        found_by(fastscape.pca(folder), model, 2)
        found_by(fastscape.pca(folder), model, 1)
        assert passes == ["_single", "_products"]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("block", [1 << 8, 1 << 20])
def test_rows_are_in_the_order_of_the_layout(channels_last, block, monkeypatch):
    """They are written in pieces of the order of the model, whatever theirs is."""
    monkeypatch.setattr(stack, "READ", block)
    model = Odd()
    a, b, c = training(3, model)
    layout = layout_of(model, "states")
    layout = layout.relaid(torch.zeros(1, layout.size), channels_last=channels_last)
    found = fastscape.through(a, b, c).directions(layout, tensors_of(a), 2)
    rows = torch.full((2, layout.size), torch.nan, dtype=torch.float64)
    found.together(rows)
    start, stop = (layout.flatten(tensors_of(one), dtype=torch.float64) for one in (a, b))
    torch.testing.assert_close(rows[0], (stop - start) / (stop - start).norm(), rtol=0, atol=1e-12)
