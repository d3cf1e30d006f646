"""A causal model of a few weights, and its scores worked out text by text."""

import torch
from torch import nn

VOCABULARY = 23


class Rows(nn.Linear):
    """A linear layer that notes of how many tokens it was asked for logits at once."""

    def __init__(self, *args):
        super().__init__(*args)
        self.most = []

    def forward(self, hidden):
        self.most.append(hidden.shape[:-1].numel())
        return super().forward(hidden)


class Tiny(nn.Module):
    """The mean over all tokens so far, through a layer; what is done with the logits is given."""

    def __init__(self, finish=lambda logits: logits, head=nn.Linear):
        super().__init__()
        self.embedding, self.inner = nn.Embedding(VOCABULARY, 6), nn.Linear(6, 6)
        self.head = head(6, VOCABULARY)
        self.finish = finish

    def forward(self, input_ids, attention_mask=None):
        words = self.embedding(input_ids)
        if attention_mask is not None:
            words = words * attention_mask[..., None]
        hidden = torch.tanh(self.inner(words.cumsum(1) / 3))
        return self.finish(self.head(hidden + words))


def log_probabilities(model, text):
    """Of the token after each of a text [L, V], float64."""
    with torch.no_grad():
        return model(torch.tensor([text]))[0].double().log_softmax(-1)


def losses(model, text, first=1):
    """Minus the log-probabilities of the tokens of a text from one on."""
    found = log_probabilities(model, text)
    return [-float(found[place - 1, text[place]]) for place in range(first, len(text))]
