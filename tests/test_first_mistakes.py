"""The mistakes that are likeliest in a first call: what each message says in full, and what works all the same."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fastscape

X, Y = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3
AXES = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False}
MODEL = "while calling your model on the first batch: "
LOSS = "while calling the loss F.cross_entropy on the first batch: "


def net(inputs: int = 4) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, 3))


class Returns(nn.Module):
    """A model that returns its scores within something."""

    def __init__(self, how) -> None:
        super().__init__()
        self.scores, self.how = net(), how

    def forward(self, inputs):
        return self.how(self.scores(inputs))


class Fails(nn.Module):
    """A model whose own code refuses its inputs."""

    def __init__(self, error) -> None:
        super().__init__()
        self.scores, self.error = net(), error

    def forward(self, inputs):
        raise self.error


def message_of(model=None, data=(X, Y), call=fastscape.surface, **options) -> str:
    with pytest.raises(Exception) as raised:  # noqa: PT011, its message is compared in full
        call(net() if model is None else model, data, **{**AXES, **options})
    return f"{type(raised.value).__name__}: {raised.value}"


FIVE = (
    f"RuntimeError: {MODEL}addmm: mat1 and mat2 shapes cannot be multiplied (50x4 and 5x8). It happened in 0, a "
    "Linear(in_features=5, out_features=8, bias=True), which got float32 [50, 4]. The inputs are float32 [50, 4]. "
    "This layer takes 5 features: give inputs with 5, or build the model for 4"
)


def test_inputs_of_another_width():
    assert message_of(net(5)).replace("addmm: ", "") == FIVE.replace("addmm: ", "")  # as versions of torch have it


@pytest.mark.parametrize("call", [fastscape.hessian, fastscape.sharpness])
def test_every_call_says_so(call):
    with pytest.raises(RuntimeError, match=r"^while calling your model on the first batch: "):
        call(net(5), (X, Y), progress=False)


def test_the_model_is_as_it_was():
    model = net(5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    message_of(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("model", "inputs", "wanted"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 3)),
            torch.zeros(50, 1, 8, 8),
            "It happened in 0, a Conv2d(3, 2, kernel_size=(3, 3), stride=(1, 1)), which got float32 [50, 1, 8, 8]. "
            "The inputs are float32 [50, 1, 8, 8]. This layer takes 3 channels: give inputs with 3, or build the "
            "model for 1",
        ),
        (
            nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(8, 3)),
            X,
            "It happened in 0, an Embedding(5, 2), which got float32 [50, 4]. The inputs are float32 [50, 4]. This "
            "layer takes indices: write inputs.long()",
        ),
        (
            net(),
            X.long(),
            "It happened in 0, a Linear(in_features=4, out_features=8, bias=True), which got int64 [50, 4]. The "
            "inputs are int64 [50, 4]. This layer takes floating-point numbers: write inputs.float()",
        ),
    ],
    ids=["channels", "indices", "integers"],
)
def test_inputs_that_a_layer_does_not_take(model, inputs, wanted):
    said = message_of(model, (inputs, Y))
    assert said.startswith(f"RuntimeError: {MODEL}")
    assert said.endswith(wanted)


@pytest.mark.parametrize(
    ("targets", "wanted"),
    [
        (
            Y.float(),
            "float32 [50]. This loss takes class numbers: write targets.long(), or for regression "
            "loss=torch.nn.functional.mse_loss",
        ),
        (Y.int(), "int32 [50]. This loss takes class numbers: write targets.long()"),
        (Y[:, None], "int64 [50, 1]. Class numbers have shape [n]: write targets.squeeze(1)"),
        (
            Y + 5,
            "int64 [50]. The targets run from 5 to 7, and the model knows classes 0 to 2: give other targets, or a "
            "model with more outputs",
        ),
    ],
    ids=["floats", "int32", "a column", "numbers"],
)
def test_targets_that_are_no_class_numbers(targets, wanted):
    said = message_of(data=(X, targets))
    assert LOSS in said
    assert said.endswith(f". The model returned float32 [50, 3], and the targets are {wanted}")


def test_data_without_targets():
    said = message_of(data=X)
    assert LOSS in said
    assert said.endswith("The targets are the inputs, as they are for data without targets: give (inputs, targets)")


def test_targets_of_another_shape():
    with pytest.warns(UserWarning, match="Using a target size"):
        said = message_of(data=(X, torch.zeros(50)), loss=F.mse_loss)
    assert said == (
        "RuntimeError: while calling the loss F.mse_loss on the first batch: The size of tensor a (3) must match the "
        "size of tensor b (50) at non-singleton dimension 1. The model returned float32 [50, 3], and the targets are "
        "float32 [50]. Give targets of shape [50, 3], or write a loss f(outputs, targets) that takes these"
    )
    assert (
        message_of(data=(X, Y[:40]))
        == "ValueError: a batch has 50 inputs but 40 targets; give one target for each input"
    )


@pytest.mark.parametrize(
    ("how", "came", "instead"),
    [
        (lambda o: {"logits": o}, "a dict of logits: float32 [50, 3]", "outputs['logits']"),
        (lambda o: (o, o), "a tuple of float32 [50, 3], float32 [50, 3]", "outputs[0]"),
        (lambda o: SimpleNamespace(logits=o), "a SimpleNamespace", "outputs.logits"),
    ],
    ids=["dict", "tuple", "object"],
)
def test_a_model_that_returns_more_than_scores(how, came, instead):
    said = message_of(Returns(how))
    assert said.startswith(
        f"TypeError: {LOSS}cross_entropy_loss(): argument 'input' (position 1) must be Tensor, not "
    )
    write = f"lambda outputs, targets: F.cross_entropy({instead}, targets)"
    assert said.endswith(f". The model returned {came}, and the targets are int64 [50]. Write loss={write}")
    fastscape.surface(Returns(how), (X, Y), loss=eval(write), **AXES)


def test_a_model_that_returns_nothing():
    said = message_of(Returns(lambda outputs: None))
    assert said.endswith(". The model returned None, and the targets are int64 [50]. Let the model return a tensor")


@pytest.mark.parametrize("error", [ValueError("too small"), AssertionError("too small"), KeyError("too small")])
def test_errors_of_your_own_code_keep_their_type_and_their_words(error):
    said = message_of(Fails(error))
    instead = "Give inputs that the model takes, or call it in your own way with objective=lambda call, batch: ..."
    wanted = f"{type(error).__name__}: {MODEL}too small. The inputs are float32 [50, 4]. {instead}"
    assert said.replace("'", "") == wanted  # str() of a KeyError has quotes


class Own(Exception):
    def __init__(self, one, two) -> None:
        super().__init__(one, two)


def test_errors_of_your_own_kind_stay_as_they_are():
    with pytest.raises(Own):
        fastscape.surface(Fails(Own(1, 2)), (X, Y), **AXES)


def test_a_metric_says_that_it_is_one():
    assert message_of(metrics={"a": lambda o, t: "a"}) == (
        "TypeError: the metric 'a' must return a real tensor (the batch mean, or one value per sample), got str"
    )
    assert message_of(metrics={"a": lambda o, t: o @ t.float()}) == (
        "RuntimeError: while calling the metric 'a' on the first batch: size mismatch, got input (50), mat (50x3), "
        "vec (50). The model returned float32 [50, 3], and the targets are int64 [50]. Write a function f(outputs, "
        "targets) that takes both"
    )
    assert message_of(metrics={"hits": "accuracy"}) == (
        "TypeError: the metric 'hits' must be a function f(outputs, targets), got 'accuracy'; for example "
        "metrics={'accuracy': fastscape.accuracy}"
    )
    assert message_of(metrics=["accuracy"]) == (
        "TypeError: metrics must be a dict of name -> f(outputs, targets), got ['accuracy']; for example "
        "metrics={'accuracy': fastscape.accuracy}"
    )


@pytest.mark.parametrize(("shape", "reduce"), [((50, 3), ".mean(dim=1)"), ((50, 1, 8, 8), ".flatten(1).mean(dim=1)")])
def test_a_metric_of_pixels_says_how_to_reduce_it(shape, reduce):
    said = message_of(metrics={"a": lambda o, t: torch.zeros(shape)})
    assert said.endswith(f"for a batch of 50 samples: reduce the other dimensions, for example with {reduce}")
    reduced = eval(f"torch.zeros(shape){reduce}")
    fastscape.surface(torch.nn.Linear(4, 3), (X, Y), metrics={"a": lambda o, t: reduced}, **AXES)


def test_an_objective_says_what_came():
    def broken(call, batch):
        return call(batch[0]) @ batch[0]

    said = message_of(objective=broken)
    assert "RuntimeError: while calling your objective " in said
    assert said.endswith(". The batch is a tuple of float32 [50, 4], int64 [50]")


def test_an_error_of_a_differentiating_objective_is_its_own():
    def broken(call, batch):
        inputs = batch[0].detach().requires_grad_()
        torch.autograd.grad(call(inputs).sum(), inputs)
        raise RuntimeError("too steep")

    assert ": too steep. The batch is " in message_of(objective=broken)
    said = message_of(loss=lambda outputs, targets: torch.autograd.grad(outputs.sum(), targets)[0])
    assert said.endswith("without gradients: to differentiate, write objective=lambda call, batch: ...")


def test_an_error_that_fewer_samples_do_not_raise_stays_as_it_is():
    inputs, targets = X.repeat(2, 1), Y.repeat(2)[:, None]
    said = message_of(Returns(lambda outputs: outputs.reshape(100, 3)), (inputs, targets))
    assert said == "RuntimeError: 0D or 1D target tensor expected, multi-target not supported"


def test_an_error_that_a_model_catches_is_not_where_the_next_one_happened():
    class Tries(Returns):
        def forward(self, inputs):
            try:
                self.scores(inputs[:, :2])
            except RuntimeError:
                self.scores(inputs)
            return inputs @ inputs.new_zeros(7, 7)

    said = message_of(Tries(None))
    assert "(50x4 and 7x7)" in said
    assert "It happened in" not in said


def test_a_recurrent_layer_has_its_article():
    said = message_of(nn.Sequential(nn.LSTM(5, 3)))
    assert "It happened in 0, an LSTM(5, 3), which got float32 [50, 4]. " in said


@pytest.mark.parametrize("loss", ["mse", None])
def test_a_loss_that_is_no_function(loss):
    assert message_of(loss=loss) == (
        f"TypeError: loss must be a function f(outputs, targets), got {loss!r}; for example "
        "loss=torch.nn.functional.mse_loss"
    )


def test_models_that_are_none():
    wanted = "TypeError: the model must be a torch.nn.Module, got"
    assert message_of(nn.Linear) == (f"{wanted} the class Linear: make a model, Linear(...), and load its weights")
    assert message_of(net().state_dict()) == (
        f"{wanted} OrderedDict: build the model, and load these into it with model.load_state_dict(...)"
    )
    assert message_of(lambda inputs: inputs) == f"{wanted} function"


def test_a_model_whose_weights_are_nowhere():
    said = message_of(net().to("meta"))
    assert (
        "the model has no values of 0.weight, 0.bias, 2.weight, 2.bias, on the device 'meta'; load the weights" in said
    )


def test_a_model_in_training_computes_like_one_that_is_not_and_stays_in_training():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    losses = [fastscape.surface(one, (X, Y), **AXES).loss for one in (model.train(), model.eval(), model.train())]
    np.testing.assert_array_equal(losses[0], losses[1])
    assert model.training


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        ((1, -1, 5), "ValueError: x does not increase ((1, -1, 5)); write x=(-1, 1, 5)"),
        (5, "TypeError: x must be (start, stop, count) or a sequence of numbers, got 5"),
        (
            (-1, 1),
            "TypeError: x must be a tuple of 3 numbers, got a tuple of 2; write (start, stop, count), for example "
            "(-1.0, 1.0, 51); for coordinates a list, x=[-1, 1]",
        ),
        (
            (-1, 0, 1),
            "ValueError: x is (-1, 0, 1), which is one point between -1 and 0; for one point write (-1, -1, 1); "
            "for coordinates a list, x=[-1, 0, 1]",
        ),
    ],
)
def test_axes_that_are_none(x, wanted):
    assert message_of(x=x) == wanted


def test_data_that_were_read_before():
    loader = DataLoader(TensorDataset(X, Y), batch_size=10)
    first, second = (fastscape.surface(net(), loader, **AXES).loss for _ in range(2))
    np.testing.assert_array_equal(first, second)
    batches = iter(list(loader))
    fastscape.surface(net(), batches, **AXES)
    assert message_of(data=batches) == (
        "ValueError: the data have no samples (list_iterator); give at least one. An iterator is read once: make a "
        "new one for every call"
    )
    assert message_of(data=[]) == "ValueError: the data have no samples (list); give at least one"


def test_losses_that_are_nan_warn_and_say_why():
    with pytest.warns(UserWarning, match="the loss at the model itself is nan"):
        landscape = fastscape.surface(net(), (X, Y), loss=lambda o, t: F.cross_entropy(o, t) * float("nan"), **AXES)
    assert np.isnan(landscape.loss).all()
    model = net()
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    with pytest.warns(UserWarning, match=r"the loss at the model itself is nan: 0.weight of the model hold"):
        fastscape.surface(model, (X, Y), **AXES)


def test_pictures_of_lines_and_planes_just_work():
    line, plane = fastscape.line(net(), (X, Y), x=(-1, 1, 3), progress=False), fastscape.surface(net(), (X, Y), **AXES)
    assert line.contour().get_ylabel() == line.plot().get_ylabel() == "loss"
    assert plane.plot().get_xlabel() == plane.contour().get_xlabel()
