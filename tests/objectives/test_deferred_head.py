"""A head is deferred by each pass for itself, so that the logits of passes side by side are never whole either."""

import threading

import pytest
import torch
import torch.nn.functional as F
from test_causal_lm import KERNELS, plain_fused, stand_in

import fastscape
from fastscape import Plan, objectives
from fastscape.objectives.deferred_head import deferred
from fastscape.objectives.head_product import Product
from tiny_language_models import VOCABULARY, Rows, Tiny
from tolerance import assert_close

GRID = {"x": (-1.0, 1.0, 3), "y": (-0.5, 1.0, 2), "progress": False}
FINISHES = {
    "plain": lambda logits: logits,
    "scaled": lambda logits: logits * 0.3,
    "divided": lambda logits: logits / 5,
    "capped": lambda logits: torch.tanh(logits / 2) * 2,
}


class Counting(Rows):
    """Notes the tokens where no run puts them back."""

    noted: tuple[list[int], ...] = ([],)

    def forward(self, hidden):
        self.noted[0].append(hidden.shape[:-1].numel())
        return F.linear(hidden, self.weight, self.bias)


def whole(call, batch):
    tokens = batch["input_ids"]
    return F.cross_entropy(call(tokens)[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none").mean(1)


@pytest.mark.parametrize("finish", FINISHES.values(), ids=FINISHES)
@pytest.mark.parametrize("options", [{}, {"lend": True, "low_memory": True, "keep": "cpu"}], ids=["private", "lent"])
def test_in_layers_logits_are_made_in_chunks(finish, options, monkeypatch):
    monkeypatch.setattr(Product, "whole", lambda _: pytest.fail("the logits were made as a whole"))
    model, data = Tiny(finish, Counting).double(), [{"input_ids": torch.randint(VOCABULARY, (3, 9))} for _ in range(2)]
    objective = objectives.causal_lm(head="head", chunk=5)
    options = GRID | options
    plain = fastscape.surface(model, data, objective=objective, plan=Plan("loop", 1), **options)
    Counting.noted[0].clear()
    found = fastscape.surface(model, data, objective=objective, plan=Plan("layers", 4), **options)
    assert (found.report["plan"]["batching"], found.report["fallback"]) == ("layers", None)
    assert_close(found.loss, plain.loss, 1e-12)
    assert max(Counting.noted[0]) == 5
    assert_close(found.loss, fastscape.surface(model, data, objective=whole, **options).loss, 1e-12)


def test_the_weights_of_a_head_are_made_once_for_all_of_its_chunks(monkeypatch):
    from fastscape.engine.block_weights import Sweep

    made, original = [], Sweep._made

    def noted(self, name, point):
        made.append((id(self), name, point))
        return original(self, name, point)

    monkeypatch.setattr(Sweep, "_made", noted)
    objective = objectives.causal_lm(head="head", chunk=2)
    data = {"input_ids": torch.randint(VOCABULARY, (3, 9))}
    fastscape.surface(Tiny(), [data], objective=objective, plan=Plan("layers", 6), **GRID)
    of_head = [one for one in made if one[1] == "head.weight"]
    assert of_head
    assert len(of_head) == len(set(of_head))


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_of_other_packages_get_the_weights_of_the_point_in_layers(kernel, monkeypatch):
    model, data = Tiny(), [{"input_ids": torch.randint(VOCABULARY, (3, 9))}]
    options = GRID
    plain = fastscape.surface(model, data, objective=objectives.causal_lm(head="head"), plan=Plan("loop"), **options)
    module, function = KERNELS[kernel]
    stand_in(monkeypatch, module, function, **{function: plain_fused})
    objective = objectives.causal_lm(head="head", kernel=kernel)
    found = fastscape.surface(model, data, objective=objective, plan=Plan("layers", 3), **options)
    assert found.report["fallback"] is None
    assert_close(found.loss, plain.loss, 1e-5)


def test_only_who_asks_gets_products():
    head, hidden, seen = torch.nn.Linear(4, 9), torch.randn(2, 3, 4), []
    entered, leave = threading.Event(), threading.Event()

    def other():
        seen.append(type(head(hidden)))
        with deferred(head):
            seen.append(type(head(hidden)))
            entered.set()
            leave.wait(10)
        seen.append(type(head(hidden)))

    thread = threading.Thread(target=other)
    with deferred(head):
        thread.start()
        assert entered.wait(10)
        assert type(head(hidden)) is Product
    assert type(head(hidden)) is torch.Tensor  # the other one still defers it
    leave.set()
    thread.join()
    assert seen == [torch.Tensor, Product, torch.Tensor]
    assert "forward" not in vars(head)
