"""What language models are scored by at every point: losses over tokens, choices by likelihood, exact answers.

Each function here makes an `objective=` of `fastscape.surface`. The scores of tokens come from the head of the model
in chunks, so that the logits of a batch are never in memory as a whole.
"""

from fastscape.objectives.choices import choice_accuracy, multiple_choice
from fastscape.objectives.combining import combined
from fastscape.objectives.language import causal_lm
from fastscape.objectives.matches import exact_match, questions

__all__ = ["causal_lm", "choice_accuracy", "combined", "exact_match", "multiple_choice", "questions"]
