"""Choices by likelihood and exact answers, against plain loops over single texts."""

import pickle

import numpy as np
import pytest
import torch

import fastscape
from fastscape import Plan, objectives
from tiny_language_models import VOCABULARY, Rows, Tiny, log_probabilities, losses
from tolerance import assert_close

GRID = {"x": (-1.0, 1.0, 3), "y": (-0.5, 1.0, 2), "precision": "float64", "progress": False}
STOP = 0


def drawn(count, low, high, seed):
    """Texts of different lengths, without the token that stops one."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(low, high, (count,), generator=generator).tolist()
    return [torch.randint(1, VOCABULARY, (size,), generator=generator).tolist() for size in sizes]


CONTEXTS = drawn(12, 1, 6, 1)
ENDINGS = [drawn(2 + k % 3, 1, 5, 10 + k) for k in range(12)]
ANSWERS = [k % 2 for k in range(12)]
BYTES = [[3.0 + len(ending) ** 2 for ending in some] for some in ENDINGS]


def chosen(model, normalise):
    """For each question minus the score of the right ending, and whether it has the highest score."""
    loss, right = [], []
    for context, some, answer, sizes in zip(CONTEXTS, ENDINGS, ANSWERS, BYTES, strict=True):
        scores = [-sum(losses(model, context + ending, len(context))) for ending in some]
        if normalise == "tokens":
            scores = [score / len(ending) for score, ending in zip(scores, some, strict=True)]
        if normalise == "lengths":
            scores = [score / size for score, size in zip(scores, sizes, strict=True)]
        loss.append(-scores[answer])
        right.append(scores.index(max(scores)) == answer)
    return loss, right


@pytest.mark.parametrize("normalise", ["none", "tokens", "lengths"])
@pytest.mark.parametrize("masked", [True, False])
def test_choices_are_those_of_a_plain_loop(normalise, masked):
    model = Tiny(lambda logits: 3 * logits, Rows).double()
    batch = objectives.multiple_choice(CONTEXTS, ENDINGS, ANSWERS, lengths=BYTES, pad=7)
    if not masked:
        del batch["attention_mask"]  # what is behind a text does not matter to it
    found = objectives.choice_accuracy(normalise=normalise, head="head", chunk=4)(model, batch)
    assert max(model.head.most) <= 4
    loss, right = chosen(model, normalise)
    assert found["loss"].tolist() == pytest.approx(loss, rel=1e-12)
    assert found["accuracy"].tolist() == right
    assert 0 < sum(right) < len(right)


@pytest.mark.parametrize("plan", [Plan("loop", 2, 5), Plan("vmap", 6, 5), Plan("vmap", 6, 12, hoist=True)])
def test_the_accuracy_of_a_surface_is_that_of_a_plain_loop_at_every_point(plan):
    model = Tiny(lambda logits: 3 * logits).double()
    batch = objectives.multiple_choice(CONTEXTS, ENDINGS, ANSWERS)
    objective = objectives.choice_accuracy(head="head")
    found = fastscape.surface(model, batch, objective=objective, plan=plan, directions=directions(model), **GRID)
    for i, j in np.ndindex(found.shape):
        loss, right = chosen(moved(model, found.x[i], found.y[j]), "none")
        assert found.loss[i, j] == pytest.approx(np.mean(loss), rel=1e-9)
        assert found.values["accuracy"][i, j] == pytest.approx(np.mean(right))
    p = found.values["accuracy"]
    assert p.min() < p.max()
    assert_close(found.binomial_error(), np.sqrt(p * (1 - p) / 12))
    assert found.report["shares"] == {"accuracy": 12}


def directions(model):
    generator = torch.Generator().manual_seed(3)
    matrices = {name: p for name, p in model.named_parameters() if p.dim() > 1}
    return [
        {name: torch.randn(p.shape, generator=generator, dtype=p.dtype) for name, p in matrices.items()}
        for _ in range(2)
    ]


def moved(model, x, y):
    """The model at a point of the plane of `directions`, with which nothing is normalised."""
    found, (first, second) = Tiny(model.finish).double(), directions(model)
    found.load_state_dict(model.state_dict())
    with torch.no_grad():
        for name in first:
            found.get_parameter(name).add_(x * first[name] + y * second[name])
    return found


PROMPTS = drawn(14, 1, 6, 5)


def generated(model, prompt, most):
    """The likeliest tokens one after the other, up to the one that stops."""
    text = list(prompt)
    for _ in range(most):
        token = int(log_probabilities(model, text)[-1].argmax())
        if token == STOP:
            return text[len(prompt) :], True
        text.append(token)
    return text[len(prompt) :], False


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 7, None])
def test_the_same_ending_has_the_same_score_whatever_chunk_it_is_in(chunk):
    """Products of a few rows round otherwise than those of many; a tie is decided by the order of the endings."""
    seen = set()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Embedding(200, 48), torch.nn.Linear(48, 200))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, generator=generator)
        ending = torch.randint(200, (5,), generator=generator).tolist()
        for answer in range(4):
            batch = objectives.multiple_choice([[1, 2, 3]], [[ending] * 4], [answer])
            with torch.no_grad():
                found = objectives.choice_accuracy(head="1", chunk=chunk)(model, batch)
            assert found["accuracy"].item() is (answer == 0)
            seen.add((seed, found["loss"].item()))
    assert len(seen) == 20


def test_only_what_is_the_same_to_the_model_shares_a_score():
    """Other tokens that the model reads, or that count, make another ending; what is behind a text does not."""

    class Shifted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = torch.nn.Embedding(9, 4), torch.nn.Linear(4, 9)

        def forward(self, input_ids, attention_mask, kind):
            return self.head((self.embedding(input_ids) + kind).cumsum(-2))

    model = Shifted().double()
    tokens = torch.tensor([[[1, 2, 3, 0], [1, 2, 3, 5], [1, 2, 3, 0], [4, 2, 3, 0], [1, 2, 3, 0]]])
    mask = torch.tensor([[[1, 1, 1, 0]] * 5])
    ending = torch.tensor([[[0, 0, 1, 0], [0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]]])
    kind = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0], dtype=torch.float64).view(1, 5, 1, 1)
    batch = {"input_ids": tokens, "attention_mask": mask, "ending_mask": ending, "kind": kind}
    objective = objectives.choice_accuracy(head="head")
    found = [objective(model, {**batch, "answer": torch.tensor([k])})["loss"].item() for k in range(5)]
    logits = [
        model.head((model.embedding(row) + shift).cumsum(0)).log_softmax(1)
        for row, shift in zip(tokens[0], kind[0, :, 0], strict=True)
    ]
    wanted = [-sum(logits[k][t - 1, tokens[0, k, t]].item() for t in range(1, 4) if ending[0, k, t]) for k in range(5)]
    assert found == pytest.approx(wanted, rel=1e-12)
    assert found[0] == found[1]
    assert len(set(found)) == 4


def answers(model, most=4):
    """What the model generates, for some prompts changed."""
    found = []
    for k, prompt in enumerate(PROMPTS):
        text, _ = generated(model, prompt, most)
        text = text or [1]
        if k % 4 == 1:
            text[-1] = 1 + text[-1] % (VOCABULARY - 1)
        if k % 4 == 2:
            text = text[: 1 + k % 3]
        found.append(text)
    return found


def stopping():
    """A model that stops some of its texts."""
    torch.manual_seed(0)
    model = Tiny(lambda logits: 3 * logits).double()
    with torch.no_grad():
        model.head.bias[STOP] += 0.9
    return model


@pytest.mark.parametrize("most", [None, 1, 3, 4])
@pytest.mark.parametrize("stop", [(), STOP, [STOP, 99]])
@pytest.mark.parametrize("side", ["left", "right"])
def test_matches_are_those_of_a_plain_loop(most, stop, side):
    model = stopping()
    given = answers(model)
    found = objectives.exact_match(max_new_tokens=most, stop=stop, head="head")(model, batch_of(given, side))
    right, loss = [], []
    for prompt, answer in zip(PROMPTS, given, strict=True):
        if stop == ():
            length = len(answer) if most is None else most
            text = plain_without_stop(model, prompt, length)
            right.append(text[: len(answer)] == answer)
        else:
            text, stopped = generated(model, prompt, len(answer) + 1 if most is None else most)
            right.append(text == answer and (stopped or most is not None))
        loss.append(sum(losses(model, prompt + answer, len(prompt))))
    assert found["accuracy"].tolist() == right
    assert found["loss"].tolist() == pytest.approx(loss, rel=1e-12)
    assert most == 1 or 0 < sum(right) < len(right)


def plain_without_stop(model, prompt, most):
    text = list(prompt)
    for _ in range(most):
        text.append(int(log_probabilities(model, text)[-1].argmax()))
    return text[len(prompt) :]


def batch_of(given, side="right"):
    batch = objectives.questions(PROMPTS, given, pad=9)
    if side == "left":
        longest = max(map(len, PROMPTS))
        for name, pad in (("input_ids", 9), ("attention_mask", 0)):
            rows = [row[: len(p)] for row, p in zip(batch[name].tolist(), PROMPTS, strict=True)]
            batch[name] = torch.tensor([[pad] * (longest - len(row)) + row for row in rows])
    return batch


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_function_sees_the_text_that_the_model_generates(side):
    model = stopping()
    seen = []

    def match(text, answer):
        seen.append((text, answer))
        return sum(text) % 2 == sum(answer) % 2

    given = answers(model)
    objective = objectives.exact_match(max_new_tokens=4, stop=STOP, match=match, head="head", chunk=5)
    found = objective(model, batch_of(given, side))
    wanted = [(generated(model, prompt, 4)[0], answer) for prompt, answer in zip(PROMPTS, given, strict=True)]
    assert seen == wanted
    assert found["accuracy"].tolist() == [sum(text) % 2 == sum(answer) % 2 for text, answer in wanted]
    assert len({len(text) for text, _ in wanted}) > 2  # some were stopped


def test_generation_ends_when_all_texts_are_stopped():
    model = stopping()
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        model.head.bias[STOP] += 100
    objective = objectives.exact_match(max_new_tokens=50, stop=STOP, match=lambda text, _: not text, head="head")
    assert objective(model, batch_of([[1]] * len(PROMPTS)))["accuracy"].all()
    assert len(calls) == 2  # of the answers, and of the first tokens


def test_an_answer_ends_in_front_of_what_stops_a_text():
    model = stopping()
    given = answers(model)
    objective = objectives.exact_match(stop=STOP, head="head")
    plain, ended = (objective(model, batch_of(some)) for some in (given, [[*text, STOP, 5] for text in given]))
    assert torch.equal(plain["accuracy"], ended["accuracy"])
    assert torch.equal(plain["loss"], ended["loss"])


@pytest.mark.parametrize("plan", [Plan("loop", 2, 5), Plan("vmap", 6, 5)])
@pytest.mark.parametrize("match", [None, lambda text, answer: text[:1] == answer[:1]])
def test_the_matches_of_a_surface_are_those_of_a_plain_loop_at_every_point(plan, match):
    model = stopping()
    given = answers(model)
    objective = objectives.exact_match(max_new_tokens=4, stop=STOP, head="head", match=match)
    options = {"directions": directions(model), **GRID, "x": (-0.2, 0.2, 3), "y": (-0.1, 0.1, 2)}
    if match is not None and plan.batching == "vmap":  # a function of Python sees no tokens of several points at once
        with pytest.raises(RuntimeError):
            fastscape.surface(model, batch_of(given), objective=objective, plan=plan, **options)
        plan = "auto"  # it is changed to a loop where nobody asked for one
    found = fastscape.surface(model, batch_of(given), objective=objective, plan=plan, **options)
    for i, j in np.ndindex(found.shape):
        at = moved(model, found.x[i], found.y[j])
        texts = [generated(at, prompt, 4)[0] for prompt in PROMPTS]
        right = [text == answer if match is None else match(text, answer) for text, answer in zip(texts, given)]  # noqa: B905
        assert found.values["accuracy"][i, j] == pytest.approx(np.mean(right))
    assert found.values["accuracy"].min() < found.values["accuracy"].max()


def test_several_data_sets_are_measured_each_by_its_own_objective():
    model = stopping()
    text = [{"input_ids": torch.randint(VOCABULARY, (3, 7))}, {"input_ids": torch.randint(VOCABULARY, (2, 4))}]
    choices = objectives.multiple_choice(CONTEXTS, ENDINGS, ANSWERS)
    given = batch_of(answers(model))
    each = {
        "text": (text, objectives.causal_lm(head="head", accuracy=True)),
        "choices": ([choices], objectives.choice_accuracy(head="head")),
        "answers": ([given], objectives.exact_match(head="head")),
    }
    objective = objectives.combined(*(one for _, one in each.values()))
    for names in (["text", "choices", "answers"], ["answers", "choices", "text"]):
        data = fastscape.DataSets(**{name: each[name][0] for name in names})
        for more in ({}, {"stream_samples": 4}):
            found = fastscape.surface(model, data, objective=objective, **more, **GRID)
            for k, name in enumerate(names):
                alone = fastscape.surface(model, each[name][0], objective=each[name][1], **GRID)
                for measure in ("loss", "accuracy"):
                    assert_close(found.values[f"{measure} of {name}" if k else measure], alone.values[measure])
            sizes = {"choices": 12, "answers": 14}
            wanted = {f"accuracy of {name}" if k else "accuracy": sizes.get(name) for k, name in enumerate(names)}
            assert found.report["shares"] == {name: size for name, size in wanted.items() if size}
    with pytest.raises(TypeError, match="none of choice_accuracy, exact_match takes; add causal_lm"):
        objectives.combined(objectives.choice_accuracy(), objectives.exact_match())(model, text[0])


def test_values_of_tokens_are_no_shares_of_samples():
    model = Tiny()
    objective = objectives.causal_lm(head="head", accuracy=True)
    found = fastscape.line(model, torch.randint(VOCABULARY, (4, 9)), objective=objective, x=(0, 1, 2))
    assert "shares" not in found.report


OBJECTIVES = [
    objectives.choice_accuracy(normalise="tokens", chunk=3),
    objectives.exact_match(max_new_tokens=3, stop=[1, 2], match=max),
    objectives.combined(objectives.exact_match(), objectives.causal_lm(accuracy=True)),
]
NAMES = [
    "fastscape.objectives.choice_accuracy(normalise='tokens', head=None, chunk=3, kernel='auto')",
    "fastscape.objectives.exact_match(max_new_tokens=3, stop=(1, 2), match=max, head=None, chunk=None)",
    "fastscape.objectives.combined(fastscape.objectives.exact_match(max_new_tokens=None, stop=(), head=None, "
    "chunk=None), fastscape.objectives.causal_lm(accuracy=True))",
]


@pytest.mark.parametrize(("objective", "name"), list(zip(OBJECTIVES, NAMES, strict=True)))
def test_objectives_have_names_and_can_be_sent(objective, name):
    assert repr(objective) == name
    assert pickle.loads(pickle.dumps(objective)) == objective


def test_what_cannot_be_used_is_refused():
    choice, exact = objectives.multiple_choice, objectives.questions
    for made, message in (
        (
            lambda: choice([], [], []),
            "each context needs one answer and some endings, got 0 contexts, endings for 0 and 0 answers",
        ),
        (lambda: choice([[1]], [[[1]]], [0, 1]), "each context needs one answer and some endings, got 1 contexts,"),
        (lambda: choice([[1], []], [[[1]], [[2]]], [0, 0]), "question 1 has a context or an ending without tokens"),
        (lambda: choice([[1]], [[[1], []]], [0]), "question 0 has a context or an ending without tokens"),
        (lambda: choice([[1]], [[[1], [2]]], [2]), "answer 2 of question 0 is none of its 2 endings"),
        (
            lambda: choice([[1]], [[[1], [2]]], [0], lengths=[[1]]),
            "lengths must have one number for each ending, got others than the endings; count them again",
        ),
        (lambda: exact([[1]], []), "each prompt needs one answer, got 1 prompts and 0 answers"),
        (lambda: exact([[1]], [[]]), "a prompt or an answer has no tokens"),
        (lambda: objectives.choice_accuracy(normalise="words"), "normalise must be .*, got 'words'"),
        (lambda: objectives.exact_match(max_new_tokens=0), "max_new_tokens must be .*, got 0"),
        (lambda: objectives.exact_match(match=max), "match sees texts, whose length nobody says"),
        (
            lambda: objectives.combined(),
            r"combined needs at least one objective; write for example combined\(choice_accuracy\(\),",
        ),
        (
            lambda: objectives.combined(objectives.causal_lm(), objectives.exact_match()),
            r"write causal_lm\(accuracy=True\)",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            made()
    with pytest.raises(TypeError, match=r"match must be a function f\(text, answer\) of two lists of tokens, got 3"):
        objectives.exact_match(max_new_tokens=3, match=3)
    with pytest.raises(
        TypeError, match="an objective must be made by causal_lm, choice_accuracy or exact_match, got <built-in"
    ):
        objectives.combined(max)
    model = Tiny()
    with pytest.raises(TypeError, match="a batch cannot be read, got input_ids; give a dictionary as"):
        objectives.choice_accuracy()(model, {"input_ids": torch.zeros(1, 2, 3)})
    with pytest.raises(TypeError, match="a batch cannot be read, got list; give a dictionary as"):
        objectives.exact_match()(model, [1])
    batch = choice([[1]], [[[1], [2]]], [0])
    with pytest.raises(ValueError, match="the batch says none; give lengths"):
        objectives.choice_accuracy(normalise="lengths", head="head")(model, batch)
    with pytest.raises(
        ValueError,
        match=r"input_ids and ending_mask must both be \[questions, endings, tokens\], got \[2, 2\] and \[1,",
    ):
        objectives.choice_accuracy(head="head")(model, {**batch, "input_ids": batch["input_ids"][0]})
