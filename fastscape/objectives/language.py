"""The loss of a causal language model, as a mean over tokens or over sequences."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from torch import Tensor

from fastscape.model import Batch, Call, tensors_of_batch
from fastscape.objectives.labels import doubts, labelled
from fastscape.objectives.model_calls import check_head, logits_of
from fastscape.objectives.token_losses import IGNORED, Kernel, Reader

__all__ = ["CausalLM", "Per", "causal_lm"]

Per = Literal["token", "sequence"]


@dataclass(frozen=True)
class CausalLM:
    """The objective that `causal_lm` makes.

    Args:
        per: The unit of the mean.
        ignored: The label that does not count.
        shift: Whether labels belong to the position before them.
        head: Name of the head.
        reader: Reads the logits.
        accuracy: Whether the share of right tokens is measured too.
        weight: The mean weight of a sample, by which all weights are divided; None before the data are known.
    """

    per: Per = "token"
    ignored: int = IGNORED
    shift: bool | None = None
    head: str | None = None
    reader: Reader = field(default_factory=Reader)
    accuracy: bool = False
    weight: float | None = None

    differentiates_inputs = False

    def __repr__(self) -> str:
        said = {
            "per": (self.per, "token"),
            "ignore_index": (self.ignored, IGNORED),
            "shift": (self.shift, None),
            "head": (self.head, None),
            "chunk": (self.reader.chunk, None),
            "kernel": (self.reader.kernel, "auto"),
            "accuracy": (self.accuracy, False),
        }
        chosen = (f"{name}={value!r}" for name, (value, default) in said.items() if value != default)
        return f"fastscape.objectives.causal_lm({', '.join(chosen)})"

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the measures."""
        return ("loss", "accuracy") if self.accuracy else ("loss",)

    def takes(self, batch: Any) -> bool:
        """Whether a batch has texts; here every batch may."""
        return True

    def __call__(self, call: Call, batch: Any) -> dict[str, Tensor]:
        """The values of the samples [n] by name, weighted so that their mean over all data is the requested mean."""
        texts = labelled(batch, shift=self.shift, ignored=self.ignored)
        logits = logits_of(call, texts.args, texts.kwargs, self.head)
        if logits.values.shape[:-1] != texts.labels.shape:
            raise ValueError(
                f"the model must return one row of logits per label, got logits {list(logits.values.shape)} for "
                f"labels {list(texts.labels.shape)}"
            )
        read = self.reader.read(logits.values, texts.labels, logits.head, right=self.accuracy)
        counted = texts.labels != IGNORED
        found = {"loss": self._weighted(read.losses, counted, batch)}
        if read.right is not None:
            found["accuracy"] = self._weighted(read.right, counted, batch)
        return found

    def _weighted(self, values: Tensor, counted: Tensor, batch: Any) -> Tensor:
        """The values of tokens [n, L] as values of samples [n]."""
        sums = values.double().sum(1)
        if self.per == "sequence":
            sums = sums / counted.sum(1).clamp(min=1)
        mean = self._weights(counted, batch).mean() if self.weight is None else self.weight
        return _of_samples(sums, batch) / mean

    def _weights(self, counted: Tensor, batch: Any) -> Tensor:
        """The weight of each sample [n], not divided by their mean, float64."""
        tokens = counted.sum(1)
        return _of_samples((tokens if self.per == "token" else tokens > 0).double(), batch)

    def weights(self, batch: Any) -> Tensor:
        """The weights of the samples of a batch [n], float64."""
        labels = labelled(batch, shift=self.shift, ignored=self.ignored).labels
        weights = self._weights(labels != IGNORED, batch)
        return weights / (weights.mean() if self.weight is None else self.weight)

    def truths(self, batch: Any) -> tuple[str, ...]:
        """The measures that are true or false for each sample: none, because all are means over tokens."""
        return ()

    def over(self, samples: Sequence[Batch]) -> CausalLM:
        """The objective with the mean weight of the samples of the first data set."""
        if self.weight is not None or not samples:
            return self
        first = [batch for batch in samples if batch.of == samples[0].of]
        one = replace(self, weight=1.0)
        found = (doubts(batch.content, shift=self.shift, ignored=self.ignored) for batch in first)
        for message in next(filter(None, found), []):  # one batch's messages represent all
            warnings.warn(message, UserWarning, stacklevel=2)
        total = sum(float(one.weights(batch.content).sum()) for batch in first)
        if not total:
            raise ValueError(
                "no token of the data has a label that counts, so there is no loss; do the labels hold anything else "
                f"than {self.ignored}, and the texts more than one token?"
            )
        return replace(self, weight=total / sum(batch.samples for batch in first))


def _of_samples(rows: Tensor, batch: Any) -> Tensor:
    """The sums of sequences [n] as those of samples: of one, if the tensors of the batch differ in length."""
    lengths = {len(tensor) if tensor.dim() else -1 for tensor in tensors_of_batch(batch)}
    return rows if lengths == {len(rows)} else rows.sum(0, keepdim=True)


def causal_lm(
    *,
    per: Per = "token",
    ignore_index: int = IGNORED,
    shift: bool | None = None,
    head: str | None = None,
    chunk: int | None = None,
    kernel: Kernel = "auto",
    accuracy: bool = False,
) -> CausalLM:
    """The loss of a causal language model: `fastscape.surface(model, batches, objective=causal_lm())`.

    With the labels y of the tokens that count, their logits z and the sequences i,

        loss = sum_i sum_t l_it / sum_i T_i          (per token)
        loss = mean over i with T_i > 0 of sum_t l_it / T_i          (per sequence)
        l_it = log sum_v exp(z_itv) - z_it,y(it)

    where T_i is the number of tokens of sequence i that count. The sums are over all data, so the value does not
    depend on how they are batched, unlike a mean of `model(**batch).loss` over uneven batches. For a single batch the
    loss per token equals `model(**batch).loss`.

    A batch is a dictionary of transformers, a pair `(tokens, labels)`, or tokens [n, L] alone. In a dictionary the
    labels are the tokens themselves, each predicted by the position before it. In a pair each label belongs to its own
    position, like targets elsewhere. Without labels the next token of the text is right. It does not count if it or
    the position before it is padding by `attention_mask` [n, L]. It does not count either if another document begins,
    with `position_ids` of 0 (for several documents packed into a row; the model decides whether they see each other).
    Given labels are used unchanged, also at padding. The model is called with the unchanged batch: if texts are padded
    on the left, give `position_ids` unless your model makes them from the mask.

    The logits are computed from the hidden states before the head, in chunks of tokens, only for tokens that count,
    and are never kept. Operations of the model on every logit afterwards, such as scaling and capping, are applied to
    the chunks. A model that uses its logits in another way gets the whole tensor.

    Args:
        per: The unit of the mean: "token" or "sequence". Default "token".
        ignore_index: The label that does not count. Default -100.
        shift: Whether a label belongs to the position before it. Default: yes in dictionaries, no in pairs.
        head: Name of the layer that makes the logits, such as "lm_head". Default: the layer that the model's
            `get_output_embeddings()` returns, which all models of transformers have. Without a head the whole logits
            are made.
        chunk: Number of tokens whose logits are in memory at once. Default: 32 MiB of logits in float32, on a GPU 256
            MiB.
        kernel: "torch"; "liger" or "cce" for the kernels of liger-kernel and cut-cross-entropy, on a GPU; or "auto",
            which uses one of these on a GPU if it is installed and supports the model. Default "auto".
        accuracy: Whether to measure also how often the largest logit is the right token's, with the same weights, as
            "accuracy". Default False.

    Returns:
        An objective that gives values of samples [n], float64; a sample is a sequence. The values are sums over tokens
        divided by the mean number of tokens per sequence, so their mean is the loss. The standard error of the loss
        is that of a ratio of two means, over sequences: sqrt(sum_i T_i^2 (l_i - loss)^2 / (n (n - 1))) / mean of T,
        where l_i is the mean over the tokens of sequence i.

    Raises:
        ImportError: When a kernel is asked for and its package is not installed.
        TypeError: When `head` is not a name.
        ValueError: When an option has an unknown value.

    Example:
        >>> import torch, fastscape
        >>> class Tiny(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.embedding, self.head = torch.nn.Embedding(50, 8), torch.nn.Linear(8, 50)
        ...     def forward(self, input_ids, attention_mask=None):
        ...         return self.head(self.embedding(input_ids))
        >>> tokens = torch.randint(50, (6, 12))
        >>> objective = fastscape.objectives.causal_lm(head="head")
        >>> landscape = fastscape.surface(Tiny(), tokens, objective=objective, x=(-1, 1, 3), y=(-1, 1, 3))
        >>> landscape.loss.shape, bool(3 < landscape.loss[1, 1] < 5)
        ((3, 3), True)

    Source: chunks of tokens as in Hsu et al. 2024, arXiv 2410.10989.
    """
    if per not in get_args(Per):
        raise ValueError(f"per must be 'token' or 'sequence', got {per!r:.80}")
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
        raise ValueError(f"ignore_index must be an integer, got {ignore_index!r:.80}; for example -100")
    if not any(shift is each for each in (None, True, False)):
        raise ValueError(f"shift must be True, False or None, got {shift!r:.80}")
    if not isinstance(accuracy, bool):
        raise ValueError(f"accuracy must be True or False, got {accuracy!r:.80}")
    check_head(head)
    if accuracy and kernel in ("liger", "cce"):
        raise ValueError(f"kernel={kernel!r} does not say which logit is the largest; leave out accuracy or kernel")
    return CausalLM(per, ignore_index, shift, head, Reader(chunk, kernel), accuracy)
