"""The loss of language models over tokens and over sequences, against sums over single texts."""

import math
import pickle
import subprocess
import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Plan, objectives
from fastscape.objectives import token_losses
from fastscape.objectives.head_product import Product
from fastscape.objectives.token_losses import Reader
from tiny_language_models import VOCABULARY, Rows, Tiny, losses
from tolerance import assert_close

GRID = {"x": (-1.0, 1.0, 3), "y": (-0.5, 1.0, 2), "precision": "float64", "progress": False}
LENGTHS = [[7, 7, 7], [4, 4], [11]]


def batches():
    return [{"input_ids": torch.randint(VOCABULARY, (len(some), some[0]))} for some in LENGTHS]


def texts(data):
    return [row.tolist() for batch in data for row in batch["input_ids"]]


def by_hand(model, data, per):
    each = [losses(model, text) for text in texts(data)]
    if per == "token":
        return sum(map(sum, each)) / sum(map(len, each))
    return float(np.mean([np.mean(one) for one in each]))


def whole(call, batch):
    """The mean over the tokens of one batch, with whole logits."""
    tokens = batch["input_ids"]
    return F.cross_entropy(call(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


@pytest.mark.parametrize("per", ["token", "sequence"])
@pytest.mark.parametrize("plan", ["auto", Plan("loop", 2, 2), Plan("vmap", 3, 2), Plan("vmap", 3, 2, hoist=True)])
def test_a_surface_over_uneven_batches_is_that_of_all_tokens(per, plan):
    model, data = Tiny().double(), batches()
    objective = objectives.causal_lm(per=per, head="head", chunk=5)
    found = fastscape.surface(model, data, objective=objective, plan=plan, **GRID)
    assert found.report["centre"]["loss"] == pytest.approx(by_hand(model, data, per), rel=1e-12)
    assert plan == "auto" or found.report["plan"]["batching"] == plan.batching
    each = [fastscape.surface(model, [batch], objective=whole, **GRID).loss for batch in data]
    tokens = [batch["input_ids"][:, 1:].numel() for batch in data]
    weights = tokens if per == "token" else [len(some) for some in LENGTHS]
    assert_close(found.loss, np.average(each, axis=0, weights=weights))
    assert not found.report["warnings"]


def test_the_name_of_an_objective_has_the_options_that_differ_from_the_defaults():
    assert repr(objectives.causal_lm()) == "fastscape.objectives.causal_lm()"
    every = {"per": "sequence", "ignore_index": 0, "shift": False, "head": "head", "chunk": 5, "kernel": "torch"}
    every["accuracy"] = True
    named = ", ".join(f"{name}={value!r}" for name, value in every.items())
    assert repr(objectives.causal_lm(**every)) == f"fastscape.objectives.causal_lm({named})"
    found = fastscape.surface(Tiny(), batches(), objective=objectives.causal_lm(head="head"), **GRID)
    assert "(fastscape.objectives.causal_lm(head='head'))" in found.caption()


@pytest.mark.parametrize("options", [{"stream_samples": 2}, {"stream_samples": 4}])
def test_data_in_parts_have_the_same_mean_over_tokens(options):
    model, data, objective = Tiny(), batches(), objectives.causal_lm(head="head")
    found = [fastscape.surface(model, data, objective=objective, **GRID, **more).loss for more in ({}, options)]
    assert_close(found[1], found[0])


def test_a_store_of_data_in_parts_has_the_same_means(tmp_path):
    model, data = Tiny(), batches()
    options = {"objective": objectives.causal_lm(head="head"), "stream_samples": 3, **GRID}
    plain = fastscape.surface(model, data, **options)
    kept = fastscape.surface(model, data, store=tmp_path / "run.zarr", **options)
    again = fastscape.surface(model, data, store=tmp_path / "run.zarr", **options)
    for found in (kept, again, fastscape.Landscape.load(tmp_path / "run.zarr")):
        assert_close(found.loss, plain.loss)


@pytest.mark.parametrize("per", ["token", "sequence"])
def test_each_of_several_data_sets_has_the_mean_over_its_own_tokens(per):
    model, data = Tiny(), batches()
    data.append({"input_ids": data[0]["input_ids"][:, :3], "labels": torch.full((3, 3), -100)})
    data[-1]["labels"][0, 2] = 5  # of two of its three texts nothing counts
    objective = objectives.causal_lm(head="head", per=per)
    both = fastscape.DataSets(train=data[:2], test=data[2:])
    found = fastscape.surface(model, both, objective=objective, **GRID).values
    for name, some in (("loss", data[:2]), ("loss of test", data[2:])):
        assert_close(found[name], fastscape.surface(model, some, objective=objective, **GRID).loss)


def test_the_standard_error_is_that_of_sequences():
    model, tokens = Tiny().double(), torch.randint(VOCABULARY, (9, 6))
    found = fastscape.line(
        model, tokens, objective=objectives.causal_lm(head="head"), x=(0, 0, 1), precision="float64"
    )
    each = np.array([np.mean(losses(model, text)) for text in tokens.tolist()])
    assert found.standard_error == pytest.approx([each.std(ddof=1) / 3], rel=1e-9)


def test_what_does_not_count_is_left_out_in_every_form_of_a_batch():
    model = Tiny().double()
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])
    labels = tokens.masked_fill(tokens == 5, -100)

    def mean(batch, **options):
        return objectives.causal_lm(head="head", **options)(model, batch)["loss"].mean().item()

    first, second = (losses(model, row) for row in tokens.tolist())
    everything = np.mean(first + second)
    without = np.mean([first[k] for k in (0, 1, 2, 4)] + [second[k] for k in (0, 2, 4)])
    for batch in (tokens, (tokens,), [tokens], {"input_ids": tokens}, {"input_ids": tokens, "labels": tokens}):
        assert mean(batch) == pytest.approx(everything, rel=1e-12)
    assert mean({"input_ids": tokens, "labels": labels}) == pytest.approx(without, rel=1e-12)
    assert mean({"input_ids": tokens, "labels": tokens}, ignore_index=5) == pytest.approx(without, rel=1e-12)
    assert mean((tokens, labels), shift=True) == pytest.approx(without, rel=1e-12)
    assert mean(({"input_ids": tokens}, labels), shift=True) == pytest.approx(without, rel=1e-12)
    moved = F.pad(labels[:, 1:], (0, 1), value=-100)
    assert mean((tokens, moved)) == pytest.approx(without, rel=1e-12)
    assert mean((tokens, moved.int())) == pytest.approx(without, rel=1e-12)
    assert mean({"input_ids": tokens, "labels": moved}, shift=False) == pytest.approx(without, rel=1e-12)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_and_borders_of_documents_do_not_count(side):
    model, text = Tiny().double(), [3, 1, 4, 1, 5]
    padded = [0, 0, *text] if side == "left" else [*text, 0, 0]
    mask = [0, 0, 1, 1, 1, 1, 1] if side == "left" else [1, 1, 1, 1, 1, 0, 0]
    batch = {"input_ids": torch.tensor([padded]), "attention_mask": torch.tensor([mask])}
    found = objectives.causal_lm(head="head")(model, batch)["loss"]
    assert found.tolist() == pytest.approx([np.mean(losses(model, text))], rel=1e-12)

    class Packed(Tiny):
        def forward(self, input_ids, position_ids):
            return super().forward(input_ids)

    packed = Packed().double()
    batch = {"input_ids": torch.tensor([[7, 8, 9, 3, 1]]), "position_ids": torch.tensor([[0, 1, 2, 0, 1]])}
    with torch.no_grad():
        given = packed(**batch)[0].log_softmax(-1)
    wanted = -np.mean([float(given[place, token]) for place, token in ((0, 8), (1, 9), (3, 1))])
    assert objectives.causal_lm(head="head")(packed, batch)["loss"].tolist() == pytest.approx([wanted], rel=1e-12)


FINISHES = {
    "scaled": lambda z: z * 0.3,
    "divided": lambda z: 2.0 - z / 7,
    "capped": lambda z: torch.tanh(z / 2.0) * 2.0,
    "by a function": lambda z: torch.mul(z, torch.tensor(0.4)).clamp(min=-0.5).to(z.device).contiguous(),
    "with a bias": lambda z: z.double() + torch.linspace(0, 1, VOCABULARY),
    "in a dictionary": lambda z: {"logits": -z},
    "in an object": lambda z: types.SimpleNamespace(logits=z),
    "in a tuple": lambda z: (None, z.float()),
}
USES = {
    "turned": lambda z: z.transpose(0, 1).contiguous().transpose(0, 1),
    "viewed": lambda z: z.view(z.shape[0], -1, z.size(-1)),
    "normalised": lambda z: torch.log_softmax(z, dim=-1),
    "of two tokens": lambda z: z + 0.1 * torch.roll(z, 1, dims=0),
    "scaled by token": lambda z: z * torch.linspace(0, 1, z.shape[1])[:, None],
    "written to": lambda z: (z.mul_(2.0), z)[1],
    "in parts": lambda z: torch.stack(list(z)),
    "cut": lambda z: z[:, :],
}


@pytest.mark.parametrize("name", [*FINISHES, *USES])
def test_whatever_a_model_does_with_its_logits_is_done(name):
    finish = {**FINISHES, **USES}[name]
    model = Tiny(finish, Rows)
    tokens = torch.randint(VOCABULARY, (3, 8))
    with torch.no_grad():
        found = objectives.causal_lm(head="head", chunk=4, accuracy=True)(model, tokens)
        rows = list(model.head.most)
        made = model(tokens)
    if name in FINISHES:
        assert max(rows) <= 4
    else:
        assert 24 in rows
    logits = (
        made["logits"]
        if isinstance(made, dict)
        else made[1]
        if isinstance(made, tuple)
        else getattr(made, "logits", made)
    )
    each = F.cross_entropy(logits[:, :-1].flatten(0, 1).double(), tokens[:, 1:].flatten(), reduction="none")
    torch.testing.assert_close(found["loss"], each.view(3, 7).mean(1), rtol=1e-5, atol=1e-6)
    right = (logits[:, :-1].argmax(-1) == tokens[:, 1:]).double().mean(1)
    assert torch.equal(found["accuracy"], right)


def test_only_tokens_that_count_are_multiplied():
    model = Tiny(head=Rows)
    tokens = torch.randint(VOCABULARY, (4, 10))
    labels = torch.full_like(tokens, -100)
    labels[1, 3:6] = tokens[1, 3:6]
    objectives.causal_lm(head="head", chunk=100)(model, {"input_ids": tokens, "labels": labels})
    assert sorted(set(model.head.most)) == [1, 3, 4]  # 4 and 1: the head is compared with itself on single tokens
    model.head.most.clear()
    objectives.causal_lm(head="head", chunk=100)(model, {"input_ids": tokens, "labels": labels})
    assert model.head.most == [1, 3]


class Mixing(nn.Linear):
    def forward(self, hidden):
        return super().forward(hidden - hidden.mean(dim=-2, keepdim=True))


def test_a_head_that_mixes_tokens_gets_all_of_them_with_a_warning():
    model, tokens = Tiny(head=Mixing).double(), torch.randint(VOCABULARY, (3, 8))
    with pytest.warns(UserWarning, match="depend on the others"):
        found = objectives.causal_lm(head="head")(model, tokens)["loss"]
    again = objectives.causal_lm(head="head")(model, tokens)["loss"]
    wanted = whole(model, {"input_ids": tokens})
    assert torch.equal(found, again)
    assert found.mean().item() == pytest.approx(wanted.item(), rel=1e-12)


def test_the_head_is_as_before_afterwards_even_after_an_error():
    class Broken(Tiny):
        def forward(self, input_ids):
            super().forward(input_ids)
            raise RuntimeError("broken")

    model = Broken()
    with pytest.raises(RuntimeError, match="broken"):
        objectives.causal_lm(head="head")(model, torch.zeros(1, 3, dtype=torch.int64))
    assert "forward" not in vars(model.head)
    own = model.head.forward
    model.head.forward = own  # as some packages wrap it
    with pytest.raises(RuntimeError, match="broken"):
        objectives.causal_lm(head="head")(model, torch.zeros(1, 3, dtype=torch.int64))
    assert vars(model.head)["forward"] is own


def test_a_model_whose_head_nobody_names_gets_whole_logits(monkeypatch):
    model, tokens = Tiny(head=Rows), torch.randint(VOCABULARY, (3, 8))
    named = objectives.causal_lm(head="head")(model, tokens)["loss"]
    model.head.most.clear()
    torch.testing.assert_close(objectives.causal_lm()(model, tokens)["loss"], named)
    assert model.head.most == [24]
    torch.testing.assert_close(objectives.causal_lm()(lambda ids: model(ids), tokens)["loss"], named)
    model.get_output_embeddings = lambda: model.head
    torch.testing.assert_close(objectives.causal_lm(chunk=6)(model, tokens)["loss"], named)
    assert max(model.head.most[2:]) == 6
    del model.get_output_embeddings
    monkeypatch.setattr(token_losses, "_WARNED_FROM", 100)
    with pytest.warns(UserWarning, match=r"take 0 MiB as a whole.*head='...'"):
        objectives.causal_lm()(model, tokens)


def test_gradients_are_those_of_whole_logits():
    model, tokens = Tiny(lambda z: torch.tanh(z) * 3).double(), torch.randint(VOCABULARY, (3, 8))
    found = torch.autograd.grad(
        objectives.causal_lm(head="head", chunk=4)(model, tokens)["loss"].mean(), model.head.weight
    )
    wanted = torch.autograd.grad(whole(model, {"input_ids": tokens}), model.head.weight)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


def test_its_curvature_is_that_of_the_mean_over_tokens():
    model, data = Tiny().double(), batches()[1:]
    found = fastscape.spectrum(model, data, objective=objectives.causal_lm(head="head"), k=1, progress=False)

    def mean(call, batch):
        tokens = batch["input_ids"]
        each = F.cross_entropy(call(tokens)[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none").sum(1)
        return each * 3 / 16  # two sequences of 3 tokens and one of 10

    wanted = fastscape.spectrum(model, data, objective=mean, k=1, progress=False)
    assert found.largest == pytest.approx(wanted.largest, rel=1e-6)


def test_nothing_of_a_lent_model_is_kept_for_derivatives():
    """Lent weights ask for gradients; the graph of a language model is as large as all of its activations."""
    kept = []

    class Seen(Tiny):
        def forward(self, input_ids):
            made = super().forward(input_ids)
            kept.append(torch.is_grad_enabled())
            return made

    model = Seen()
    tokens = torch.randint(VOCABULARY, (3, 8))
    fastscape.line(model, tokens, objective=objectives.causal_lm(head="head"), x=(0, 1, 2), lend=True, progress=False)
    assert kept
    assert not any(kept)


def stand_in(monkeypatch, name, function, **functions):
    parts = name.split(".")
    for k in range(len(parts)):
        module = types.ModuleType(".".join(parts[: k + 1]))
        module.__spec__, module.__path__ = ModuleSpec(module.__name__, None), []
        monkeypatch.setitem(sys.modules, module.__name__, module)
    setattr(module, function, functions[function])
    monkeypatch.setattr(token_losses, "_on_gpu", lambda _: True)


def plain_fused(hidden, weight, labels, bias=None, ignore_index=None, reduction=None):
    assert (ignore_index, reduction) == (-100, "none")
    called.append(hidden.shape[0])
    return F.cross_entropy(F.linear(hidden, weight, bias), labels, reduction="none")


called = []
KERNELS = {
    "liger": ("liger_kernel.transformers.functional", "liger_fused_linear_cross_entropy"),
    "cce": ("cut_cross_entropy", "linear_cross_entropy"),
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_of_other_packages_get_hidden_states_and_the_weights_of_the_point(kernel, monkeypatch):
    model, data = Tiny(), batches()
    options = {**GRID, "precision": "float32", "plan": Plan("loop", 2, 2)}
    plain = fastscape.surface(model, data, objective=objectives.causal_lm(head="head"), **options)
    module, function = KERNELS[kernel]
    stand_in(monkeypatch, module, function, **{function: plain_fused})
    called.clear()
    objective = objectives.causal_lm(head="head", kernel=kernel)
    found = fastscape.surface(model, data, objective=objective, **options)
    assert {12, 6, 10} <= set(called)
    assert_close(found.loss, plain.loss, 1e-5)
    called.clear()
    objectives.causal_lm(head="head")(model, data[0])
    assert called == ([18] if kernel == "liger" else [])  # whose products of float32 are full
    objectives.causal_lm(head="head")(model.bfloat16(), data[0])
    assert called[-1:] == [18]
    called.clear()
    objectives.causal_lm(head="head", accuracy=True)(model, data[0])
    objectives.causal_lm(head="head")(model.double(), data[0])
    objectives.causal_lm(head="head", kernel="torch")(model.float(), data[0])
    objectives.causal_lm(head="head")(Tiny(lambda z: z * 2), data[0])
    assert not called


def test_a_kernel_that_cannot_be_used_says_why(monkeypatch):
    tokens = torch.randint(VOCABULARY, (2, 4))
    stand_in(monkeypatch, *KERNELS["liger"], **{KERNELS["liger"][1]: plain_fused})
    objective = objectives.causal_lm(head="head", kernel="liger")
    for model, why in (
        (Tiny(lambda z: z * 2), "more than the product"),
        (Tiny(head=Rows), "more than the product"),
        (Tiny(lambda z: z[:]), "logits are used by the model"),
        (Tiny().double(), "hidden states torch.float64"),
    ):
        with pytest.raises(ValueError, match=f"kernel='liger' cannot be used: .*{why}.*; write kernel='auto'"):
            objective(model, tokens)
    monkeypatch.setattr(token_losses, "_on_gpu", lambda _: False)
    with pytest.raises(ValueError, match="on no GPU"):
        objective(Tiny(), tokens)
    with pytest.raises(ImportError, match="needs cut-cross-entropy; write pip install cut-cross-entropy"):
        objectives.causal_lm(kernel="cce")


def test_options_and_batches_that_cannot_be_used():
    for options, message in (
        ({"per": "word"}, "per must be .*, got 'word'"),
        ({"kernel": "fast"}, "kernel must be .*, got 'fast'"),
        ({"chunk": 0}, "chunk must be .*, got 0"),
        ({"ignore_index": 1.5}, "ignore_index must be .*, got 1.5"),
        ({"shift": "yes"}, "shift must be .*, got 'yes'"),
        ({"kernel": "cce", "accuracy": True}, "does not say which logit is the largest"),
    ):
        with pytest.raises(ValueError, match=message):
            objectives.causal_lm(**options)
    model, tokens = Tiny(), torch.randint(VOCABULARY, (2, 4))
    objective = objectives.causal_lm(head="head")
    for batch, error, message in (
        (
            "text",
            TypeError,
            r"a batch cannot be read, got str; give a dictionary with 'input_ids' \[n, L\] and perhaps",
        ),
        ({"tokens": tokens}, TypeError, r"a batch cannot be read, got the keys tokens; give a dictionary with"),
        (tokens[0], ValueError, r"tokens and labels must be int64 \[n, L\], one row per text, got torch\.int64 \[4\]"),
        (
            [tokens, tokens[:1]],
            ValueError,
            r"a pair must have one label per token, got tokens \[2, 4\] and labels \[1, 4\]\. Two batches of",
        ),
        (
            (tokens, tokens.double()),
            ValueError,
            r"tokens and labels must be int64 \[n, L\], one row per text, got torch\.float64 \[2, 4\]",
        ),
        ({"input_ids": tokens, "labels": tokens[:, :3]}, ValueError, r"logits \[2, 4, 23\] for labels \[2, 3\]"),
    ):
        with pytest.raises(error, match=message):
            objective(model, batch)
    with pytest.raises(ValueError, match=r"head='lm_head' is no part of Tiny; its last linear layers are inner, head"):
        objectives.causal_lm(head="lm_head")(model, tokens)
    with pytest.raises(
        TypeError,
        match=r"the model must return logits \[n, L, V\], alone, in a tuple, or as \.logits, got a tensor \[2, 23\]",
    ):
        objective(Tiny(lambda z: z[:, 0]), tokens)
    with pytest.raises(
        TypeError, match=r"the model must return logits \[n, L, V\], alone, in a tuple, or as \.logits, got a"
    ):
        objective(Tiny(lambda z: types.SimpleNamespace(scores=z)), tokens)
    with pytest.raises(ValueError, match="no token of the data has a label that counts"):
        fastscape.line(model, tokens[:, :1], objective=objective, x=(0, 1, 2))


def test_reports_name_it_and_it_can_be_sent_and_reproduced():
    model, tokens = Tiny(), torch.randint(VOCABULARY, (3, 8))
    objective = objectives.causal_lm(per="sequence", head="head", chunk=4)
    assert pickle.loads(pickle.dumps(objective)) == objective
    options = {"x": (-1, 1, 2), "y": (-1, 1, 2), "progress": False}
    found = fastscape.surface(model, tokens, objective=objective, **options)
    assert found.report["objective"] == "fastscape.objectives.causal_lm(per='sequence', head='head', chunk=4)"
    assert np.array_equal(found.reproduce(model, tokens, objective=objective).loss, found.loss)


def test_batches_that_count_as_one_sample_are_weighed_by_their_tokens():
    """The library counts a batch whose tensors differ in length as a single sample."""

    class Extra(Tiny):
        def forward(self, input_ids, lengths):
            return super().forward(input_ids)

    model = Extra().double()
    data = [{**batch, "lengths": torch.zeros(2 + len(batch["input_ids"]))} for batch in batches()]
    found = fastscape.line(model, data, objective=objectives.causal_lm(head="head"), x=(0, 0, 1), precision="float64")
    plain = Tiny().double()
    plain.load_state_dict(model.state_dict())
    assert float(found.loss[0]) == pytest.approx(by_hand(plain, batches_of(data), "token"), rel=1e-12)


def batches_of(data):
    return [{"input_ids": batch["input_ids"]} for batch in data]


def test_a_product_answers_what_is_asked_of_a_tensor():
    hidden, layer = torch.rand(2, 3, 6), nn.Linear(6, 5)
    product, logits = Product(hidden, layer), layer(hidden)
    assert (product.shape, product.dtype, product.device) == (logits.shape, logits.dtype, logits.device)
    assert (product.ndim, product.dim(), product.size(), product.size(-1), len(product)) == (3, 3, logits.shape, 5, 2)
    assert not product.is_whole
    later = (1 - product / 2).float()
    assert isinstance(later, Product)
    torch.testing.assert_close(later.whole(), (1 - logits / 2).float())
    torch.testing.assert_close(later.rows(slice(1, 3)), (1 - logits / 2).flatten(0, 1)[1:3])
    torch.testing.assert_close(torch.cat([later[0], later[1]]), (1 - logits / 2).flatten(0, 1))
    torch.testing.assert_close(product + product, 2 * logits)
    torch.testing.assert_close(torch.ones(5) * product, logits)
    assert product.is_whole
    with pytest.raises(AttributeError):
        _ = product.no_such_attribute
    assert not hasattr(product, "__array_interface__")


def test_nothing_counts_in_a_batch():
    model, tokens = Tiny(), torch.randint(VOCABULARY, (2, 4))
    data = [{"input_ids": tokens[:, :1]}, {"input_ids": tokens}]
    found = fastscape.line(model, data, objective=objectives.causal_lm(head="head", accuracy=True), x=(0, 0, 1))
    assert math.isfinite(found.loss[0])
    reader = Reader(chunk=3)
    read = reader.read(torch.rand(2, 4, 5), torch.full((2, 4), -100), None)
    assert not read.losses.any()
    assert read.right is None


class Scaled(nn.Module):
    """Ends in what is done with the logits."""

    def __init__(self, after):
        super().__init__()
        self.embedding, self.head, self.after = nn.Embedding(20, 8), nn.Linear(8, 20), after

    def forward(self, input_ids):
        return self.after(self.head(self.embedding(input_ids)))


def in_place(logits):
    doubled = logits
    doubled *= 2
    return logits


def masked(logits):
    logits[..., 15:] = -50.0
    return logits


@pytest.mark.parametrize(
    "after",
    [in_place, masked, lambda z: z * 2 if isinstance(z, torch.Tensor) else z, lambda z: z.abs() ** 0.5,
     lambda z: torch.where(z > 0, z, 0.1 * z), lambda z: torch.where(z == z, abs(z), z) % 3],
)  # fmt: skip
def test_whatever_is_done_with_the_logits(after):
    torch.manual_seed(3)
    model, tokens = Scaled(after), torch.randint(20, (4, 9))
    with torch.no_grad():
        loss = F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    found = fastscape.line(model, [{"input_ids": tokens}], objective=objectives.causal_lm(head="head"), x=[0.0, 0.5])
    assert found.loss[0] == pytest.approx(loss.item(), rel=1e-5)


def test_labels_that_may_be_meant_otherwise_are_warned_of():
    torch.manual_seed(4)
    model, tokens = Scaled(lambda z: z), torch.randint(20, (4, 9))
    with pytest.warns(UserWarning, match="each token predicts itself; write shift=True"):
        fastscape.line(model, (tokens, tokens), objective=objectives.causal_lm(head="head"), x=[0.0, 0.5])
    padded = torch.ones_like(tokens)
    padded[:2, 6:] = 0
    objective = objectives.causal_lm(head="head")
    doubted = [{"input_ids": tokens, "labels": tokens, "attention_mask": padded}]
    with pytest.warns(UserWarning, match="labels count at 6 positions of a batch where attention_mask is 0"):
        fastscape.line(Masked(), doubted, objective=objective, x=[0.0, 0.5])
    wrong = [{"input_ids": tokens, "attention_mask": padded[:, :5]}]
    with pytest.raises(ValueError, match=r"attention_mask must have the shape of input_ids, \[4, 9\], got \[4, 5\]"):
        fastscape.line(Masked(), wrong, objective=objective, x=[0.0, 0.5])


class Masked(Scaled):
    def __init__(self):
        super().__init__(lambda logits: logits)

    def forward(self, input_ids, attention_mask):
        return super().forward(input_ids)


GATHERED = """
import fastscape, torch
import torch.distributed as dist
from fastscape.objectives import causal_lm
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
mesh = init_device_mesh("cpu", (1,))
torch.manual_seed(0)
model, tokens = nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 20)), torch.randint(20, (4, 9))
asked = {"objective": causal_lm(head="1"), "x": [0.0, 0.5], "progress": False}
whole = fastscape.line(model, tokens, **asked).loss
fully_shard(model[1], mesh=mesh)
fully_shard(model, mesh=mesh)
print(abs(fastscape.line(model, tokens, lend=True, low_memory=True, **asked).loss / whole - 1).max() < 1e-5)
dist.destroy_process_group()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="gloo with a store of POSIX")
def test_a_head_that_is_gathered_for_its_call_alone():
    done = subprocess.run([sys.executable, "-c", GATHERED], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr
