"""What all pictures of a run share: their colours, their style, and how they are saved.

The colours are those of Okabe and Ito (2008), which colour-blind readers tell apart.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kdbuild.files import write_atomically

Target = Path | io.BytesIO
"""Where a picture goes: a PNG file, or memory, as SVG."""


@dataclass(frozen=True)
class Theme:
    """Colours for light or dark surroundings."""

    background: str
    text: str
    muted: str
    grid: str
    blue: str
    orange: str
    green: str
    deepest: str
    """Colour of a matrix's cell that holds all rows of its label."""


LIGHT = Theme("#ffffff", "#1f2328", "#59636e", "#d9dee3", "#0072b2", "#d55e00", "#009e73", "#08457e")
DARK = Theme("#15191e", "#e8edf2", "#a3acb5", "#353c44", "#56b4e9", "#e69f00", "#3fd0a4", "#8cd0f7")


@contextmanager
def drawing(target: Target, theme: Theme, width: float, height: float) -> Iterator[Figure]:
    """An empty figure to draw into, saved when the block ends.

    Args:
        target: where it is saved.
        theme: its colours.
        width: in inches.
        height: in inches.
    """
    with matplotlib.rc_context(_style(target, theme)), warnings.catch_warnings():
        # Labels of any script: a browser has fonts for them, the PNG shows boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        buffer = io.BytesIO()
        if isinstance(target, Path):
            figure.savefig(buffer, format="png", dpi=144)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, buffer.getvalue())
        else:
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
            target.write(_slim(buffer.getvalue()))


def _style(target: Target, theme: Theme) -> dict[Any, Any]:
    """Settings of matplotlib; an SVG lets the page shine through and uses the reader's own fonts."""
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": theme.muted,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.labelcolor": theme.text,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "figure.facecolor": theme.background if isinstance(target, Path) else "none",
        "font.size": 10,
        "grid.color": theme.grid,
        "legend.edgecolor": "none",
        "legend.facecolor": theme.background,
        "savefig.facecolor": "auto",
        "svg.fonttype": "none",
        "svg.hashsalt": "kdbuild",  # the same picture has the same bytes
        "text.color": theme.text,
        "text.parse_math": False,  # labels come from data, where $ is a dollar
        "xtick.color": theme.muted,
        "xtick.labelcolor": theme.text,
        "ytick.color": theme.muted,
        "ytick.labelcolor": theme.text,
    }


def _slim(svg: bytes) -> bytes:
    """A third of the bytes, the same picture: an SVG element alone, places to a hundredth, any sans-serif font."""
    svg = re.sub(rb"<metadata>.*?</metadata>", b"", svg[svg.index(b"<svg") :], flags=re.DOTALL)
    svg = re.sub(rb"'DejaVu Sans'[^;\"]*sans-serif", b"sans-serif", svg)  # else a dozen families in every text's style
    return re.sub(rb"(\d\.\d\d)\d+", rb"\1", svg)


def shortened(label: str, longest: int = 20) -> str:
    """The label, or its beginning and an ellipsis, of at most ``longest`` characters."""
    return label if len(label) <= longest else label[: longest - 1] + "…"
