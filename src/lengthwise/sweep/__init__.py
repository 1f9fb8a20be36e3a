"""Random and adaptive search: the space and the design as data, trials, studies and workers."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
