"""A game of Othello beside a model, move by move, on a page of this machine's own."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
