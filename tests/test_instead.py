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
        (
            lambda: words(TEXT, causal_lm),
            r"objective must be a function f\(call, batch\), got causal_lm, which cannot be called so; if it"
            r" makes such a function, write causal_lm\(\), or on the command line the name of a variable",
        ),
        (
            lambda: words(CHOICES, choice_accuracy),
            r"objective must be a function f\(call, batch\), got choice_accuracy, which cannot be called so;",
        ),
        (
            lambda: words(QUESTIONS, exact_match),
            r"objective must be a function f\(call, batch\), got exact_match, which cannot be called so; if it",
        ),
        (lambda: words(TEXT, combined), "objective must be what combined returns, got combined itself; write"),
        (
            lambda: words(TEXT, nn.Linear),
            r"objective must be a function f\(call, batch\), got the class Linear; write Linear\(\)",
        ),
        (lambda: words(TEXT, "causal_lm"), r"objective must be a function f\(call, batch\).*, got 'causal_lm'"),
        (
            lambda: small(loss=nn.CrossEntropyLoss),
            r"loss must be a function f\(outputs, targets\), got the class CrossEntropyLoss; write",
        ),
        (
            lambda: small(metrics={"own": nn.MSELoss}),
            r"own must be a function f\(outputs, targets\), got the class MSELoss; write MSELoss\(\)",
        ),
        (
            lambda: small(loss=lambda outputs: 0),
            r"loss must be a function f\(outputs, targets\), got a lambda of \(outputs\)$",
        ),
        (
            lambda: small(loss=causal_lm()),
            r"loss must be a function, got an objective, CausalLM\(\.\.\.\); pass it as objective= instead of",
        ),
        (
            lambda: combined(causal_lm, choice_accuracy()),
            r"an objective must be made first, got the function that makes it; write causal_lm\(\)",
        ),
        (
            lambda: combined([choice_accuracy()]),
            r"combined takes objectives one by one, got a list; write combined\(\*objectives\)",
        ),
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
            r"context of question 0 must be .*, got text, 'a'",
        ),
        (
            lambda: multiple_choice([[1]], ["ab"], [0]),
            r"ending 0 of question 0 must be tokens, got text, 'a': write tokenizer\.encode\(text\), with",
        ),
        (
            lambda: multiple_choice([[1]], [["ab"]], [0]),
            r"ending 0 of question 0 must be tokens, got text, 'ab': write tokenizer\.encode\(text\), with",
        ),
        (
            lambda: multiple_choice([[1]], [[4]], [0]),
            "ending 0 of question 0 must be a list of tokens, whole numbers, got 4",
        ),
        (
            lambda: multiple_choice([[1.5]], [[[4]]], [0]),
            "the context of question 0 must be a list of tokens, whole numbers, but holds 1.5",
        ),
        (
            lambda: multiple_choice([[1]], [[[4]]], ["A"]),
            "the answer of question 0 must be the number of the right ending, counted from 0, got 'A'",
        ),
        (
            lambda: questions(["2+2?"], ["4"]),
            r"prompt 0 must be tokens, got text, '2\+2\?': write tokenizer\.encode\(text\), with",
        ),
        (
            lambda: questions([[1]], ["4"]),
            r"answer 0 must be tokens, got text, '4': write tokenizer\.encode\(text\), with",
        ),
        (lambda: questions([1], [2]), "prompt 0 must be a list of tokens, whole numbers, got 1"),
        (lambda: questions([[None]], [[2]]), "prompt 0 must be a list of tokens, whole numbers, but holds None"),
        (
            lambda: exact_match(stop="\n"),
            r"stop must be one token or several, as whole numbers, got '\\n': give tokenizer\.eos_token_id, or",
        ),
        (
            lambda: exact_match(stop=["</s>"]),
            r"stop must be one token or several, as whole numbers, got \['</s>'\]: give",
        ),
        (
            lambda: exact_match(stop=None),
            r"stop must be one token or several, as whole numbers, got None: give tokenizer\.eos_token_id, or",
        ),
        (
            lambda: exact_match(stop=True),
            r"stop must be one token or several, as whole numbers, got True: give tokenizer\.eos_token_id, or",
        ),
        (lambda: causal_lm(head=nn.Linear(2, 3)), "head must be the name of the layer in the model.*, got Linear .*"),
        (lambda: choice_accuracy(head=1), "head must be the name.*, got int 1"),
        (lambda: exact_match(head=1), "head must be the name.*, got int 1"),
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
            "measure must be the name of a score.*, got <function accuracy .*",
        ),
    ],
)
def test_what_is_of_another_kind(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: causal_lm(accuracy="yes"), "accuracy must be True or False.*, got 'yes'"),
        (lambda: causal_lm(shift=1), "shift must be .*, got 1"),
        (lambda: causal_lm(chunk=True), "chunk must be .*, got True"),
        (lambda: exact_match(max_new_tokens=True), "max_new_tokens must be .*, got True"),
        (
            lambda: words({"input_ids": TEXT, "labels": TEXT.tolist()}, causal_lm(head="head")),
            r"tokens and labels must be int64 \[n, L\], one row per text: write torch\.tensor\(\.\.\.\), or",
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
    with pytest.raises(
        PermissionError,
        match=r"\(Permission denied\); name a different folder, keep=pathlib\.Path\(\.\.\.\), or write",
    ) as caught:
        fastscape.surface(model, DATA, lend=True, keep=tmp_path, **GRID)
    assert "the copy of the model cannot be written to" in str(caught.value)
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


def test_vmap_says_what_to_write_where_inputs_require_gradients():
    def squares(call, batch):
        inputs = batch.detach().requires_grad_()
        return torch.autograd.grad(call(inputs).sum(), inputs)[0].square().sum(1)

    model, plan = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), fastscape.Plan(batching="vmap", chunk=4)
    with pytest.raises(RuntimeError, match=r"which the model cannot .*requires_grad_.*; write plan='auto'"):
        fastscape.surface(model, torch.randn(9, 4), objective=squares, plan=plan, **GRID)


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
    with pytest.raises(ValueError, match=r"keep must be one of 'device', 'cpu', 'disk'.*, got 'disc'"):
        small(lend=True, keep="disc")
    here = str(Path(__file__).parent)
    with pytest.raises(ValueError, match=r"is a string; write a folder as a path, keep=pathlib.Path\("):
        small(lend=True, keep=here)
