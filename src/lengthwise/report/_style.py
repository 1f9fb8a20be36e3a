"""One look for every figure: palette, type, and which colour means what."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import matplotlib.style

from ._load import Run


INK = "#1f2328"
"""The colour of text, and of the raw weights."""
MUTED = "#6a737d"
SEEN = "#eef1f5"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#6A4C93")
"""Okabe and Ito's colours without yellow and black (safe for the colour blind), and two more."""
CHANCE = (4.0, 4.0)
"""The dashes of chance lines."""
LAW = (1.0, 3.2)
"""The dashes of a line from theory."""
DASHES = ((), (5.0, 1.6), (1.2, 1.4), (6.0, 1.4, 1.2, 1.4), (9.0, 2.0), (3.0, 1.2))
"""Line styles: lengths of dash and gap in units of the line's width; the first is solid."""

_RC = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # in Matplotlib itself: the same layout on every machine
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.titley": 1.0,  # fixed: looking for a free place is a fifth of the drawing time
    "axes.labelsize": 8.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": "#9aa1a9",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.color": INK,
    "text.parse_math": False,  # a run may be called `$x`
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",  # text stays text: small, selectable, and in the page's own type
    "svg.hashsalt": "lengthwise",  # the same figure gives the same bytes
}


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Draw inside this, so that a user's own `matplotlibrc` changes nothing."""
    with matplotlib.style.context(["default", _RC]):
        yield


@dataclasses.dataclass(frozen=True)
class Series:
    """One line of a figure: a set of weights of a run, its colour and its dashes."""

    run: Run
    weights: str
    colour: str
    dash: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Key:
    """One entry of a legend: `kind` is "line", "band" or "ring"."""

    label: str
    colour: str
    dash: tuple[float, ...] = ()
    kind: str = "line"


def run_colours(runs: Sequence[Run]) -> list[str]:
    """The colour of each run: dark for a single one, where colour tells weights apart."""
    if len(runs) == 1:
        return [INK]
    return [PALETTE[i % len(PALETTE)] for i in range(len(runs))]


def weights_order(runs: Sequence[Run]) -> list[str]:
    """Every name of weights, raw first, then as they come."""
    names = dict.fromkeys(name for run in runs for name in run.weights)
    return sorted(names, key=lambda name: name != "raw")


def series_of(runs: Sequence[Run]) -> list[Series]:
    """Every line by length: one run has a colour per weights; several have a colour per run."""
    names, found = weights_order(runs), []
    for run, colour in zip(runs, run_colours(runs), strict=True):
        for name in names:
            if name not in run.weights:
                continue
            if len(runs) == 1:
                found.append(Series(run, name, weights_colour(name, names), ()))
            else:
                found.append(Series(run, name, colour, DASHES[names.index(name) % len(DASHES)]))
    return found


def weights_colour(name: str, names: Sequence[str]) -> str:
    """Raw is dark; every other name takes the palette's next colour."""
    others = [other for other in names if other != "raw"]
    return INK if name == "raw" else PALETTE[others.index(name) % len(PALETTE)]


def series_keys(runs: Sequence[Run]) -> list[Key]:
    """The legend of `series_of`."""
    names = weights_order(runs)
    if len(runs) == 1:
        return [Key(name, weights_colour(name, names)) for name in names]
    colours = zip(runs, run_colours(runs), strict=True)
    by_run = [Key(run.name, colour) for run, colour in colours if run.rows]
    return by_run + [Key(name, INK, DASHES[i % len(DASHES)]) for i, name in enumerate(names)]
