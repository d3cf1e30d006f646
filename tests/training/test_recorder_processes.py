"""Several processes that train one model: the first one records, the others get on."""

import pytest
import torch
from safetensors.torch import load_file

import recorded
from fastscape.weights import rows_of
from stored_runs import started


@pytest.mark.parametrize("kind", ["ddp", "fsdp", "torchrun"])
def test_the_first_process_records(tmp_path, kind):
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    place |= {"WORLD_SIZE": "2"}
    processes = [started(recorded.rank, place | {"RANK": str(k)}, tmp_path, kind) for k in range(2)]
    for process in processes:
        process.join(120)
        process.kill()  # does nothing to one that has ended
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{k}.pt") for k in range(2))
    assert first["made"] == [True, False, True, False, True]
    assert second["made"] == [False] * 5
    assert "records of another model, with" in first["other"]
    assert second["other"] is None
    rows = rows_of(tmp_path / "run")
    assert [row.step for row in rows] == [0, 2, 4]
    for row in rows:
        found = load_file(tmp_path / "run" / row.file)
        assert set(found) == {
            "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight", "2.bias"
        }  # fmt: skip
        wanted = {name.removeprefix("module."): tensor for name, tensor in first["wanted"][row.step].items()}
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in found.items())
