"""lengthwise: a laboratory for length generalization.

Names are loaded when they are first used, so that importing the package costs no JAX.
"""

import lazy_loader as _lazy


__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
