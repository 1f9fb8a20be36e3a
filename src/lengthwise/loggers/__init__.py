"""Where a run's progress is sent; the default is local and needs no account."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
