"""Claims of the paper, run and judged: each is a file of `experiments/`, found and run from here."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
