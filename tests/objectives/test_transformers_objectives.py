"""The losses of models of transformers are their own, and their logits are never whole."""

import pytest
import torch
import torch.nn.functional as F

import fastscape
from fastscape import Plan, objectives
from fastscape.objectives.head_product import Product
from tolerance import assert_close

transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 61,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
MODELS = {
    "GPT2": {"vocab_size": 61, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32},
    "Llama": SIZES,
    "Qwen3": {**SIZES, "tie_word_embeddings": True},
    "Mixtral": {**SIZES, **EXPERTS},
    "Gemma2": {**SIZES, "final_logit_softcapping": 2.0},
    "Cohere": {**SIZES, "logit_scale": 0.3},
    "Granite": {**SIZES, "logits_scaling": 5.0},
}


def model_of(name, **options):
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**MODELS[name], **options)
    kind = "GPT2LMHeadModel" if name == "GPT2" else f"{name}ForCausalLM"
    return getattr(transformers, kind)(config).eval()


def batch_of():
    tokens = torch.randint(3, 61, (4, 9))
    mask = torch.ones_like(tokens)
    mask[1, 6:] = 0
    return {"input_ids": tokens, "attention_mask": mask, "labels": tokens.masked_fill(mask == 0, -100)}


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_the_models_own(name, monkeypatch):
    model, batch = model_of(name), batch_of()
    with torch.no_grad():
        own = model(**batch)
        monkeypatch.setattr(Product, "whole", lambda _: pytest.fail("the logits were made as a whole"))
        found = objectives.causal_lm(chunk=5)(model, batch)["loss"]
    assert float(found.mean()) == pytest.approx(float(own.loss), rel=1e-6)
    logits, labels = own.logits[:, :-1].double().flatten(0, 1), batch["labels"][:, 1:].flatten()
    assert float(found.mean()) == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-6)
    unlabelled = {name: part for name, part in batch.items() if name != "labels"}
    with torch.no_grad():
        assert torch.equal(objectives.causal_lm(chunk=5)(model, unlabelled)["loss"], found)


@pytest.mark.parametrize("name", ["GPT2", "Llama", "Qwen3", "Mixtral"])
def test_a_surface_is_that_of_the_models_own_loss(name):
    model, batch = model_of(name), batch_of()
    options = {"x": (-0.5, 0.5, 2), "y": (-0.5, 0.5, 2), "progress": False}
    found = fastscape.surface(model, [batch], objective=objectives.causal_lm(), **options)
    own = fastscape.surface(model, [batch], objective=lambda call, b: call(**b).loss, **options)
    assert_close(found.loss, own.loss, 1e-4)
    assert found.report["centre"]["difference"] < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_in_layers_the_logits_are_not_made_as_a_whole_either(name, monkeypatch):
    monkeypatch.setattr(Product, "whole", lambda _: pytest.fail("the logits were made as a whole"))
    plainly = {"experts_implementation": "eager"} if name == "Mixtral" else {}  # the others have no float64
    model, batch = model_of(name, **plainly).double(), batch_of()
    options = {"x": (-0.5, 0.5, 2), "y": (-0.5, 0.5, 2), "progress": False, "objective": objectives.causal_lm(chunk=5)}
    found = fastscape.surface(model, [batch], plan=Plan("layers", 4), **options)
    plain = fastscape.surface(model, [batch], plan=Plan("loop", 1), **options)
    assert (found.report["plan"]["batching"], found.report["fallback"]) == ("layers", None)
    assert_close(found.loss, plain.loss, 1e-12)


@pytest.mark.parametrize("name", ["GPT2", "Llama"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_choices_and_matches_are_those_of_the_models_own_generation(name, side):
    model = model_of(name).double()
    generator = torch.Generator().manual_seed(4)
    prompts = [torch.randint(3, 61, (2 + k % 3,), generator=generator).tolist() for k in range(8)]
    texts = []
    for prompt in prompts:
        made = model.generate(
            input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            max_new_tokens=3, do_sample=False, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        texts.append(made[0, len(prompt) :].tolist())
    given = [text if k % 2 else [*text[:2], 3 + (text[2] + 1) % 50] for k, text in enumerate(texts)]
    batch = objectives.questions(prompts, given)
    if side == "left":
        for key in ("input_ids", "attention_mask"):
            rows = [row[: len(prompt)] for row, prompt in zip(batch[key].tolist(), prompts, strict=True)]
            batch[key] = torch.tensor([[0] * (4 - len(row)) + row for row in rows])
    endings = [[text, [*text[:2], 3 + (text[2] + 1) % 50]] for text in texts]
    choices = objectives.multiple_choice(prompts, endings, [0] * 8)
    right = [text == answer for text, answer in zip(texts, given, strict=True)]
    assert objectives.exact_match()(model, batch)["accuracy"].tolist() == right
    with torch.no_grad():
        found = objectives.choice_accuracy()(model, choices)
    seen = []
    match = objectives.exact_match(max_new_tokens=3, match=lambda text, answer: seen.append(text) or text == answer)
    assert match(model, batch)["accuracy"].tolist() == right
    assert seen == texts
    for k, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        ids = torch.tensor([[*prompt, *text]])
        labels = ids.clone()
        labels[0, : len(prompt)] = -100
        with torch.no_grad():
            own = float(model(input_ids=ids, labels=labels).loss) * len(text)
        assert float(found["loss"][k]) == pytest.approx(own, rel=1e-6)
    assert found["accuracy"].all()  # the likeliest last token is likelier than another one
