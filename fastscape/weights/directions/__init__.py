"""The sources of directions, one module per source, and the conversion of `directions=` to a source."""

from fastscape.weights.directions.between import direction_between
from fastscape.weights.directions.combined import AlongModels, ModelsOfPath, PlaneOfModels
from fastscape.weights.directions.given import direction_given
from fastscape.weights.directions.principal import pca
from fastscape.weights.directions.projected import projected
from fastscape.weights.directions.random import Random, check_seed, direction_random
from fastscape.weights.directions.source import Checkpoints, Directions, Source
from fastscape.weights.directions.sources import Direction, source_of, towards
from fastscape.weights.directions.start_to_end import start_to_end
from fastscape.weights.directions.through import through

__all__ = [
    "AlongModels",
    "Checkpoints",
    "Direction",
    "Directions",
    "ModelsOfPath",
    "PlaneOfModels",
    "Random",
    "Source",
    "check_seed",
    "direction_between",
    "direction_given",
    "direction_random",
    "pca",
    "projected",
    "source_of",
    "start_to_end",
    "through",
    "towards",
]
