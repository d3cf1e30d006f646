"""Scores of language models at every point: losses over tokens, choices by likelihood, exact answers.

Each function here makes an `objective=` for `fastscape.surface`. The head of the model scores tokens in chunks, so the
logits of a whole batch are never in memory at once.
"""

from fastscape.objectives.choices import choice_accuracy, multiple_choice
from fastscape.objectives.combining import combined
from fastscape.objectives.language import causal_lm
from fastscape.objectives.matches import exact_match, questions

__all__ = ["causal_lm", "choice_accuracy", "combined", "exact_match", "multiple_choice", "questions"]
