from ._as_run import write_run as write_run
from ._export import WEIGHTS as WEIGHTS, export_model as export_model
from ._import import Imported as Imported, import_model as import_model
from ._layout import AbstractLayout as AbstractLayout, Form as Form, Part as Part
from ._layouts import LAYOUTS as LAYOUTS, layout_named as layout_named
from ._mingpt import MinGPT as MinGPT
from ._split import merged_model as merged_model, split_arrays as split_arrays
from ._torch import read_torch as read_torch
from ._transformer_lens import (
    TransformerLens as TransformerLens,
    TransformerLensBridge as TransformerLensBridge,
)
from ._vocabulary import Vocabulary as Vocabulary, vocabulary_of as vocabulary_of
