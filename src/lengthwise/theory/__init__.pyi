from ._approach import Approach as Approach, Shape as Shape, approach_floors as approach_floors
from ._balance import Balance as Balance, check_balance as check_balance, merge_heads as merge_heads
from ._balanced import Balanced as Balanced
from ._base import AbstractConstruction as AbstractConstruction
from ._bounds import (
    DimensionBounds as DimensionBounds,
    RankCheck as RankCheck,
    check_ranks as check_ranks,
    dimension_bounds as dimension_bounds,
)
from ._certificate import (
    Certificate as Certificate,
    LengthCertificate as LengthCertificate,
    certify as certify,
)
from ._dispersion_cap import dispersion_cap as dispersion_cap
from ._displacement import (
    attention_on as attention_on,
    displacement_by_length as displacement_by_length,
    displacements as displacements,
    predicted_displacements as predicted_displacements,
    valid_spread as valid_spread,
)
from ._floors import (
    FloorRow as FloorRow,
    embedding_kl_floor as embedding_kl_floor,
    embedding_spread_floor as embedding_spread_floor,
    embedding_tv_floor as embedding_tv_floor,
    floor_table as floor_table,
    kl_floor as kl_floor,
    mid_floor as mid_floor,
    value_spread_floor as value_spread_floor,
    value_tv_floor as value_tv_floor,
)
from ._from_matrices import from_matrices as from_matrices
from ._homogeneous import Homogeneous as Homogeneous
from ._horizon import (
    Horizon as Horizon,
    balance_exists as balance_exists,
    balanced_weights as balanced_weights,
    horizon as horizon,
    unbalanced_horizon as unbalanced_horizon,
)
from ._one_layer import OneLayer as OneLayer, one_layer as one_layer
from ._post_norm import PostNorm as PostNorm
from ._rational import Factors as Factors, RationalModel as RationalModel, rank as rank
from ._structure import Structure as Structure, structure as structure
from ._tied import Tied as Tied
