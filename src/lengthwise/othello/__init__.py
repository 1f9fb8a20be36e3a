"""Othello, the game alone: rules on bitboards, random games and their files. No JAX, no model."""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
