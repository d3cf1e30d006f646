"""What users write by mistake, and what the errors say to write instead."""

import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.objectives import causal_lm, choice_accuracy, combined, exact_match, multiple_choice, questions

TEXT = torch.randint(20, (4, 6))
CHOICES = multiple_choice([[1, 2, 3], [4, 5]], [[[6], [7, 8]], [[1], [2]]], [0, 1])
QUESTIONS = questions([[1, 2], [3]], [[4], [5, 6]])
DATA = torch.randn(12, 4), torch.arange(12) % 3
GRID = {"x": (-1, 1, 2), "y": (-1, 1, 2), "progress": False}


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(20, 8), nn.Linear(8, 20)

    def forward(self, input_ids, attention_mask=None):
        return self.head(self.embedding(input_ids))


def words(data, objective):
    return fastscape.surface(Words(), data, objective=objective, **GRID)


def small(**options):
    return fastscape.surface(nn.Linear(4, 3), DATA, **GRID, **options)


def basin(**options):
    return fastscape.basin_radius(nn.Linear(4, 3), DATA, directions=2, progress=False, **options)


class OfText(nn.Module):
    """Holds a layer that torch cannot evaluate for several points as one."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.lstm(x[:, None])[0][:, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: words(TEXT, causal_lm), r"objective came as causal_lm, .* what it makes: causal_lm\(\)$"),
        (lambda: words(CHOICES, choice_accuracy), r"objective came as choice_accuracy, .*: choice_accuracy\(\)$"),
        (lambda: words(QUESTIONS, exact_match), r"objective came as exact_match, .*: exact_match\(\)$"),
        (lambda: words(TEXT, combined), r"combined came as an objective itself; write objective=combined\("),
        (lambda: words(TEXT, nn.Linear), r"objective came as the class Linear; .*f\(call, batch\): write Linear\(\)"),
        (lambda: words(TEXT, "causal_lm"), r"objective came as 'causal_lm'; wanted a function f\(call, batch\)"),
        (
            lambda: small(loss=nn.CrossEntropyLoss),
            r"loss came as the class CrossEntropyLoss; .* write CrossEntropyLoss",
        ),
        (lambda: small(metrics={"own": nn.MSELoss}), r"own came as the class MSELoss; .* write MSELoss\(\)"),
        (lambda: small(loss=lambda outputs: 0), r"loss came as .*lambda.*, which cannot be called as f\(outputs, tar"),
        (
            lambda: small(loss=causal_lm()),
            r"loss came as an objective, CausalLM\(...\); write objective= in the place",
        ),
        (lambda: combined(causal_lm, choice_accuracy()), r"came as the function that makes it; write causal_lm\(\)"),
        (lambda: combined([choice_accuracy()]), r"objectives came as a list; .* one by one: combined\(\*objectives\)"),
        (
            lambda: words(TEXT, combined(choice_accuracy())),
            r"came as a tensor \[4, 6\], which none of choice_accuracy",
        ),
        (
            lambda: words(CHOICES, combined(exact_match())),
            r"came with input_ids, .*which none of exact_match takes; add",
        ),
        (
            lambda: multiple_choice(["a", "b"], [["c"], ["d"]], [0, 0]),
            r"context of question 0 came as text, 'a'; wanted",
        ),
        (lambda: multiple_choice([[1]], ["ab"], [0]), r"ending 0 of question 0 came as text, 'a'; wanted its tokens"),
        (
            lambda: multiple_choice([[1]], [["ab"]], [0]),
            r"ending 0 of question 0 came as text, 'ab'; .*encode\(text\)",
        ),
        (lambda: multiple_choice([[1]], [[4]], [0]), "ending 0 of question 0 came as 4; wanted a list of tokens"),
        (
            lambda: multiple_choice([[1.5]], [[[4]]], [0]),
            "the context of question 0 holds 1.5; wanted a list of tokens",
        ),
        (lambda: multiple_choice([[1]], [[[4]]], ["A"]), "answer of question 0 came as 'A'; wanted the right"),
        (lambda: questions(["2+2?"], ["4"]), r"prompt 0 came as text, '2\+2\?'; wanted its tokens"),
        (lambda: questions([[1]], ["4"]), "answer 0 came as text, '4'; wanted its tokens"),
        (lambda: questions([1], [2]), "prompt 0 came as 1; wanted a list of tokens"),
        (lambda: questions([[None]], [[2]]), "prompt 0 holds None; wanted a list of tokens"),
        (lambda: exact_match(stop="\n"), r"stop came as '\\n'; wanted a token or several, whole numbers: tokenizer"),
        (lambda: exact_match(stop=["</s>"]), r"stop came as \['</s>'\]; wanted a token or several"),
        (lambda: exact_match(stop=None), r"stop came as None; .*; \(\) for none"),
        (lambda: exact_match(stop=True), "stop came as True; wanted a token"),
        (lambda: causal_lm(head=nn.Linear(2, 3)), "head came as Linear .*; wanted the name of the layer in the model"),
        (lambda: choice_accuracy(head=1), "head came as int 1; wanted the name"),
        (lambda: exact_match(head=1), "head came as int 1; wanted the name"),
        (
            lambda: words([{"input_ids": TEXT.tolist()}], causal_lm()),
            r"a batch holds a dictionary without tensors, input_ids a list; write torch.tensor\(...\) of each, or",
        ),
        (
            lambda: words(["a text"], causal_lm()),
            "holds a str where a tensor belongs, 'a text'; give numbers: of a text",
        ),
        (
            lambda: words({"input_ids": TEXT, "token_type_ids": TEXT}, causal_lm(head="head")),
            r"a batch holds token_type_ids, and the model takes input_ids, attention_mask; .*: batch.pop\('token_ty",
        ),
        (
            lambda: basin(measure=fastscape.accuracy),
            "measure came as <function accuracy .*; wanted the name of a score",
        ),
    ],
)
def test_what_is_of_another_kind(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: causal_lm(accuracy="yes"), "accuracy='yes' cannot be used; wanted True or False"),
        (lambda: causal_lm(shift=1), "shift=1 cannot be used"),
        (lambda: causal_lm(chunk=True), "chunk=True cannot be used"),
        (lambda: exact_match(max_new_tokens=True), "max_new_tokens=True cannot be used"),
        (
            lambda: words({"input_ids": TEXT, "labels": TEXT.tolist()}, causal_lm(head="head")),
            r"tokens or labels came as list; wanted int64 .*: write torch.tensor\(...\), or return_tensors='pt'",
        ),
        (
            lambda: words(TEXT, causal_lm(head="head", accuracy=True)).binomial_error(),
            "metric='accuracy' is no share of samples; .* A share of tokens is none",
        ),
        (
            lambda: small().binomial_error("hits"),
            "metric='hits' is not measured; this landscape has loss, of which sh",
        ),
        (lambda: small(lend=True, keep="/tmp"), r"keep='/tmp' is a string; write .*, keep=pathlib.Path\('/tmp'\)"),
        (
            lambda: basin(measure="accuracy"),
            r"measure='accuracy' is none here; there are loss: give others as metrics=",
        ),
        (
            lambda: fastscape.basin_radius(
                Words(), TEXT, objective=causal_lm(head="head"), measure="accuracy", progress=False
            ),
            r"there are loss: let the objective return others, causal_lm\(accuracy=True\) for example",
        ),
    ],
)
def test_what_has_another_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_folder_that_takes_no_copy(tmp_path, monkeypatch):
    """Also where root could write to it, so that nothing but the answer of the system counts."""
    model = nn.Linear(4, 3)
    before = model.weight.clone()

    def refusing(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refusing)
    with pytest.raises(PermissionError, match=r"nothing can be written to .* keep=pathlib\.Path") as caught:
        fastscape.surface(model, DATA, lend=True, keep=tmp_path, **GRID)
    assert "(Permission denied), where a copy of the model is wanted" in str(caught.value)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize("plan", [Plan("vmap", 2, products="shared"), Plan("vmap", 2)])
def test_a_plan_that_the_model_cannot_follow(plan):
    asked = "batching='vmap'" + (" and products='shared'" if plan.products == "shared" else "")
    message = (
        rf"a plan with {asked} evaluates several points as one, which the model cannot .*lstm.*; write plan='auto'"
    )
    with pytest.raises(RuntimeError, match=message):
        fastscape.surface(OfText(), DATA, plan=plan, **GRID)
    assert np.isfinite(fastscape.surface(OfText(), DATA, **GRID).loss).all()


def test_what_looks_odd_and_works():
    """Functions that others wrap, and tokens of every kind of number."""

    def weighted(outputs, targets, weight):
        return weight * nn.functional.cross_entropy(outputs, targets)

    @functools.wraps(weighted)
    def wrapped(outputs, targets):
        return weighted(outputs, targets, 2.0)

    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    twice = fastscape.surface(model, DATA, loss=wrapped, **GRID)
    for loss in (None, functools.partial(nn.functional.cross_entropy, reduction="mean"), nn.CrossEntropyLoss()):
        once = fastscape.surface(model, DATA, **GRID, **({} if loss is None else {"loss": loss}))
        np.testing.assert_allclose(twice.loss, 2 * once.loss, rtol=1e-6)
    mixed = multiple_choice(
        [torch.tensor([1, 2, 3]), (4, 5)], [[np.array([6]), [7, 8]], [[1], [2]]], torch.tensor([0, 1])
    )
    assert all(torch.equal(mixed[name], CHOICES[name]) for name in CHOICES)
    assert exact_match(stop=np.int64(3)).stops == exact_match(stop=torch.tensor(3)).stops == (3,)
    assert exact_match(stop=torch.tensor([3, 4])).stops == (3, 4)


def test_what_a_hook_leaves_out_of_a_batch_is_no_matter():
    model = Words()

    def without(module, args, kwargs):
        kwargs.pop("token_type_ids", None)
        return args, kwargs

    plain = fastscape.surface(model, {"input_ids": TEXT}, objective=causal_lm(head="head"), **GRID)
    model.register_forward_pre_hook(without, with_kwargs=True)
    batch = {"input_ids": TEXT, "token_type_ids": TEXT}
    found = fastscape.surface(model, batch, objective=causal_lm(head="head"), **GRID)
    np.testing.assert_allclose(found.loss, plain.loss, rtol=1e-6)


def test_a_folder_by_its_name_is_told_from_a_misspelt_choice():
    with pytest.raises(ValueError, match=r"keep='disc' is unknown; wanted one of 'device', 'cpu', 'disk'"):
        small(lend=True, keep="disc")
    here = str(Path(__file__).parent)
    with pytest.raises(ValueError, match=r"is a string; write a folder as a path, keep=pathlib.Path\("):
        small(lend=True, keep=here)
