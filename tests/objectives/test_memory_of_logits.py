"""The memory that the loss over a large vocabulary takes, as the operating system counts it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
TOKENS, VOCABULARY = 2048, 128_000
SCRIPT = """
import resource, sys
import torch
from torch import nn
from fastscape.objectives import causal_lm

tokens, vocabulary = map(int, sys.argv[1:3])
torch.set_num_threads(1)
torch.manual_seed(0)
model = nn.Sequential(nn.Embedding(vocabulary, 16), nn.Linear(16, vocabulary))
ids = torch.randint(vocabulary, (2, 1 + tokens // 2))
objective = causal_lm(head="1")


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


with torch.no_grad():
    objective(model, ids[:, :2])  # what torch takes once
    before = peak()
    assert objective(model, ids)["loss"].isfinite().all()
    taken = peak() - before
    some = ids[:, :101]  # three chunks and a part
    found = objective(model, some)["loss"].mean()
    z = model.double()(some[:, :-1]).flatten(0, 1)
    truth = torch.nn.functional.cross_entropy(z, some[:, 1:].flatten())
print(taken, float(found), float(truth))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted in other units elsewhere")
def test_the_loss_takes_less_than_a_tenth_of_whole_logits_and_is_the_same():
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(TOKENS), str(VOCABULARY)],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    taken, found, truth = map(float, result.stdout.split())
    assert taken < 0.1 * 4 * TOKENS * VOCABULARY
    assert found == pytest.approx(truth, rel=1e-6)
