"""The pieces of HTML that a report is made of, and the page around them.

A page is one file that asks the network for nothing. What comes from a run isn't trusted: it goes through :func:`text`.
"""

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from string import Template

from kdbuild.drawing import DARK, LIGHT, Theme
from kdbuild.trainer.report.style import STYLE
from kdbuild.trainer.run.written import PAGE_MARK

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
$mark
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>$title: report</title>
<style>
$style</style>
</head>
<body>
<header>
<p class="kicker">kdbuild report</p>
<h1>$title</h1>
<p class="lead">$lead</p>
</header>
<main>
$body
</main>
</body>
</html>
""")


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """The whole page.

    Args:
        title: plain text.
        lead: the sentence below the title, plain text.
        sections: HTML; empty ones are left out.
    """
    body = "\n".join(section for section in sections if section)
    return _PAGE.substitute(mark=PAGE_MARK, title=text(title), lead=text(lead), style=STYLE, body=body)


def section(title: str, *parts: str) -> str:
    """A section with a heading, or nothing if there is nothing in it.

    Args:
        title: plain text.
        parts: HTML; empty ones are left out.
    """
    shown = [part for part in parts if part]
    return "\n".join([f"<section><h2>{text(title)}</h2>", *shown, "</section>"]) if shown else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table that scrolls within itself.

    Args:
        columns: headings, plain text.
        rows: cells, HTML.
        numbers: places of the columns that hold numbers, which are set to the right.
    """
    kinds = ["number" if place in numbers else "words" for place in range(len(columns))]
    head = "".join(
        f'<th scope="col" class="{kind}">{text(name)}</th>' for kind, name in zip(kinds, columns, strict=True)
    )
    lines = "\n".join(
        "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return _scrolling(f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody></table>")


def preformatted(lines: str) -> str:
    """Plain text, line by line, that scrolls within itself."""
    return _scrolling(f"<pre>{text(lines)}</pre>")


def _scrolling(content: str) -> str:
    return f'<div class="scroll" tabindex="0">{content}</div>'


def definitions(kind: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what there is to say of each.

    Args:
        kind: the list's class in the style sheet, ``cards`` or ``facts``.
        pairs: names, plain text; and values, HTML.
    """
    items = "\n".join(f"<div><dt>{text(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="{kind}">\n{items}\n</dl>'


def picture(draw: Callable[[io.BytesIO, Theme], None], title: str, caption: str = "", *, wide: bool = False) -> str:
    """A figure in the reader's light or dark colours.

    Args:
        draw: writes it as SVG, in the colours of a theme.
        title: what it shows, for those who can't see it; plain text.
        caption: HTML.
        wide: whether it is so large that a phone should scroll it.
    """
    images = []
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        svg = io.BytesIO()
        draw(svg, theme)
        source = "data:image/svg+xml;base64," + base64.b64encode(svg.getvalue()).decode("ascii")
        images.append(f'<img class="{name}" src="{source}" alt="{text(title)}">')
    frame = '<div class="scroll wide" tabindex="0">' if wide else "<div>"
    # Both, one of them hidden: a browser that prints chooses anew among hidden elements, not among picture's sources.
    return (
        f"<figure>{frame}{''.join(images)}</div>"
        + (f"<figcaption>{caption}</figcaption>" if caption else "")
        + "</figure>"
    )


def side_by_side(*figures: str) -> str:
    """Figures beside each other where there is room; empty ones are left out."""
    shown = "".join(figures)
    return f'<div class="pictures">{shown}</div>' if shown else ""


def text(value: object) -> str:
    """A value from the run, safe inside an element or a quoted attribute."""
    return escape(str(value))


def percent(share: float) -> str:
    """A share, 0 to 1, as ``93.7 %``."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
