"""What every room uses: errors, components as data, files and the run directory. No JAX."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
