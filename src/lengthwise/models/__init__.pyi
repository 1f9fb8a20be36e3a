from ._alibi import ALiBi as ALiBi, alibi_slopes as alibi_slopes
from ._attention import (
    AbstractAttention as AbstractAttention,
    Softmax as Softmax,
    masked as masked,
    scaled_scores as scaled_scores,
)
from ._base import AbstractModel as AbstractModel
from ._block import MLP as MLP, Block as Block, SelfAttention as SelfAttention
from ._config import (
    DropoutRates as DropoutRates,
    TransformerConfig as TransformerConfig,
    minimal_config as minimal_config,
)
from ._gpt import (
    GPT_DROPOUT as GPT_DROPOUT,
    gpt1_config as gpt1_config,
    mingpt_config as mingpt_config,
)
from ._inspect import attention_weights as attention_weights
from ._learned import LearnedPositions as LearnedPositions
from ._linear import (
    Linear as Linear,
    at_least_float32 as at_least_float32,
    dropout as dropout,
)
from ._minimal import MinimalMatrices as MinimalMatrices, minimal_matrices as minimal_matrices
from ._norm import EPSILON as EPSILON, LayerNorm as LayerNorm, RMSNorm as RMSNorm
from ._positions import (
    AbstractFromZero as AbstractFromZero,
    AbstractNoBias as AbstractNoBias,
    AbstractNoEmbedding as AbstractNoEmbedding,
    AbstractNoRotation as AbstractNoRotation,
    AbstractPositions as AbstractPositions,
    AbstractUnlearned as AbstractUnlearned,
    NoPositions as NoPositions,
)
from ._random_offset import RandomOffset as RandomOffset
from ._rotary import RotaryPositions as RotaryPositions
from ._sinusoidal import SinusoidalPositions as SinusoidalPositions
from ._streams import residual_streams as residual_streams
from ._transformer import Transformer as Transformer
