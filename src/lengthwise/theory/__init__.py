"""The theory of single-layer attention-only transformers, executable: see README.md of this room."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
