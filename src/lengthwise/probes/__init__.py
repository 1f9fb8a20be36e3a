"""Linear probes: what of the Othello board can be read from a model's residual stream."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
