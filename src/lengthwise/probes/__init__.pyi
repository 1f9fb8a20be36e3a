from ._config import ProbeConfig as ProbeConfig
from ._fit import LinearProbe as LinearProbe, fit_probe as fit_probe
from ._probe import RANDOM as RANDOM, Probes as Probes, probe as probe
