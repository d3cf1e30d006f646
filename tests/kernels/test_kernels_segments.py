"""Segments: the cut, its runs, blocks and tiles."""

import itertools

import pytest
import torch

from fastscape.kernels import Run, Segments

CUTS = [[0], [0, 0], [0, 1], [0, 3, 3, 7], [0, 5, 10, 15, 16], [0, 0, 4, 4], list(range(40))]


@pytest.mark.parametrize("cut", CUTS)
def test_runs_cover_every_non_empty_segment_once(cut):
    segments = Segments(torch.tensor(cut))
    covered = []
    for run in segments.runs:
        for row in range(run.rows):
            start = run.start + row * run.length
            covered.append((run.first + row, start, start + run.length))
    wanted = [(s, a, b) for s, (a, b) in enumerate(itertools.pairwise(cut)) if b > a]
    assert covered == wanted


def test_rows_of_one_tensor_are_one_run():
    assert Segments(torch.arange(0, 21, 5)).runs == (Run(first=0, rows=4, start=0, length=5),)


@pytest.mark.parametrize("cut", [cut for cut in CUTS if cut[-1] > 0])
@pytest.mark.parametrize("block", [1, 2, 4, 64])
def test_blocks_know_their_segments(cut, block):
    segments = Segments(torch.tensor(cut))
    first = segments.of_blocks(block).tolist()
    owner = [s for s, (a, b) in enumerate(itertools.pairwise(cut)) for _ in range(a, b)]
    for n, start in enumerate(range(0, cut[-1], block)):
        assert first[n] == owner[start]
        assert first[n + 1] >= owner[min(start + block, cut[-1]) - 1]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("block", [1, 3, 64])
def test_tiles_partition_each_segment(cut, block):
    start, stop, per_segment = Segments(torch.tensor(cut)).tiles(block)
    assert (start // block == (stop - 1) // block).all()  # each lies in one block
    tiles = iter(zip(start.tolist(), stop.tolist(), strict=True))
    for (a, b), count in zip(itertools.pairwise(cut), per_segment.tolist(), strict=True):
        own = [next(tiles) for _ in range(count)]
        assert [p for tile in own for p in range(*tile)] == list(range(a, b))


@pytest.mark.parametrize("cut", [cut for cut in CUTS if cut[-1] > 0])
@pytest.mark.parametrize("block", [1, 3, 64])
def test_the_segments_of_a_block_are_its_part_of_the_cut(cut, block):
    segments = Segments(torch.tensor(cut))
    owner = [s for s, (a, b) in enumerate(itertools.pairwise(cut)) for _ in range(a, b)]
    for start in range(0, cut[-1], block):
        stop = min(start + block, cut[-1])
        touched, within = segments.between(start, stop)
        lengths = within.starts.diff().tolist()
        assert len(lengths) == touched.stop - touched.start
        assert [s for s, n in zip(range(touched.start, touched.stop), lengths, strict=True) for _ in range(n)] == (
            owner[start:stop]
        )


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        (torch.tensor([0.0, 1.0]), "must be int64"),
        (torch.tensor([[0, 1]]), "must be int64"),
        (torch.tensor([], dtype=torch.int64), "must be int64"),
        (torch.tensor([1, 2]), "begin at 0"),
        (torch.tensor([0, 3, 2]), "never decrease"),
    ],
)
def test_bad_starts_are_refused(starts, message):
    with pytest.raises(ValueError, match=message):
        Segments(starts)
