"""Every metric at every length, seen and unseen, for models and any other function."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
