from ._base import AbstractConstruction as AbstractConstruction
from ._one_layer import OneLayer as OneLayer, one_layer as one_layer
