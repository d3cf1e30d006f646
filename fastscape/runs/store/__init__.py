"""The store: a landscape on disk in the format of zarr, which grows as points are finished."""

from fastscape.runs.store.contents import StoreAsked
from fastscape.runs.store.identity import DECISIVE
from fastscape.runs.store.reading import known_reach, read_store
from fastscape.runs.store.writing import Store

__all__ = ["DECISIVE", "Store", "StoreAsked", "known_reach", "read_store"]
