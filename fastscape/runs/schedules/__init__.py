"""Three schedules with one interface: all points block by block, data part by part, points round by round."""

from fastscape.runs.schedules.blocks import Blocks
from fastscape.runs.schedules.rounds import Rounds
from fastscape.runs.schedules.schedule import Block, Schedule, block_size
from fastscape.runs.schedules.streaming import Streaming

__all__ = ["Block", "Blocks", "Rounds", "Schedule", "Streaming", "block_size"]
