"""A landscape on disk that grows as its points are finished, in the format of zarr."""

from fastscape.runs.store.asked import StoreAsked
from fastscape.runs.store.reading import known_reach, read_store
from fastscape.runs.store.writing import Store

__all__ = ["Store", "StoreAsked", "known_reach", "read_store"]
