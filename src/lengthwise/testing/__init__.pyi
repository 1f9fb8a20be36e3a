from ._attention import AttentionSuite as AttentionSuite
from ._averages import AverageSuite as AverageSuite
from ._constructions import ConstructionSuite as ConstructionSuite
from ._models import ModelSuite as ModelSuite
from ._positions import PositionsSuite as PositionsSuite
from ._tasks import TaskSuite as TaskSuite
