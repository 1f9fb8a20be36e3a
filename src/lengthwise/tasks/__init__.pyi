from ._base import (
    AbstractDeviceTask as AbstractDeviceTask,
    AbstractHostTask as AbstractHostTask,
    AbstractTask as AbstractTask,
    Batch as Batch,
    check_length as check_length,
)
from ._config import (
    OthelloConfig as OthelloConfig,
    SetComplementConfig as SetComplementConfig,
)
from ._draw import (
    cut_batch as cut_batch,
    draw_batch as draw_batch,
    draw_examples as draw_examples,
    draw_lengths as draw_lengths,
)
from ._lengths import (
    AbstractLengths as AbstractLengths,
    Curriculum as Curriculum,
    FixedLength as FixedLength,
    UniformLengths as UniformLengths,
)
from ._othello import OthelloTask as OthelloTask
from ._prefetch import prefetch as prefetch
from ._set_complement import SetComplement as SetComplement
