"""Which of several GPUs a process computes on, where only "cuda" was asked for; no GPU is needed."""

import pytest
import torch

from fastscape.runs.device import own_gpu


class TestOwnGpu:
    @pytest.fixture(autouse=True)
    def eight(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")

    @pytest.mark.parametrize(("rank", "index"), [("0", 0), ("3", 3), ("11", 3)])
    def test_each_process_of_torchrun_has_its_own(self, rank, index, monkeypatch):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert own_gpu(torch.device("cuda")) == torch.device("cuda", index)

    def test_one_that_was_chosen_stays(self, monkeypatch):
        monkeypatch.setenv("LOCAL_RANK", "3")
        assert own_gpu(torch.device("cuda:5")) == torch.device("cuda:5")
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 6)
        assert own_gpu(torch.device("cuda")) == torch.device("cuda:6")

    def test_without_torchrun_it_is_the_current_one(self, monkeypatch):
        monkeypatch.setenv("LOCAL_RANK", "3")
        monkeypatch.delenv("TORCHELASTIC_RUN_ID")
        assert own_gpu(torch.device("cuda")) == torch.device("cuda:0")
        assert own_gpu(torch.device("cpu")) == torch.device("cpu")
