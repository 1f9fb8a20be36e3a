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
from ._inspect import attention_weights as attention_weights
from ._linear import Linear as Linear, dropout as dropout
from ._minimal import MinimalMatrices as MinimalMatrices, minimal_matrices as minimal_matrices
from ._norm import EPSILON as EPSILON, LayerNorm as LayerNorm, RMSNorm as RMSNorm
from ._positions import (
    AbstractPositions as AbstractPositions,
    LearnedPositions as LearnedPositions,
    NoPositions as NoPositions,
)
from ._transformer import Transformer as Transformer
