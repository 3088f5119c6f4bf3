"""A page that opens from a file: self-contained, light and dark, printable, fit for a phone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from pathlib import Path

from sspo_cli.views.style import BLUE, FAINT, GREEN, GREY, GRID, INK, ORANGE, PURPLE, SKY, VERMILION

# What a figure's colours become in the page, where they follow its light or dark scheme: CSS name, light, dark.
THEME = {
    INK: ("ink", INK, "#e8e8e6"),
    GREY: ("grey", GREY, "#a3a3a0"),
    FAINT: ("faint", FAINT, "#55565a"),
    GRID: ("grid", GRID, "#33353a"),
    BLUE: ("blue", BLUE, "#4ea8e0"),
    VERMILION: ("vermilion", VERMILION, "#f0803c"),
    GREEN: ("green", GREEN, "#2fc29a"),
    PURPLE: ("purple", PURPLE, "#d07cc4"),
    ORANGE: ("orange", ORANGE, "#e5a83b"),
    SKY: ("sky", SKY, "#8ccdf3"),
}
WIDE_POINTS, ENLARGED = 420, 1.12
SORTABLE = 'class="sortable"'


def page(title: str, sections: Iterable[str]) -> str:
    """The whole page. `title` is text, the sections are HTML."""
    body = "\n".join(sections)
    script = f"<script>\n{beside('page.js')}</script>\n" if SORTABLE in body else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{style()}</style></head>\n<body>\n{body}\n{script}</body></html>\n"
    )


def style() -> str:
    """page.css with the colours of both schemes."""
    found = beside("page.css")
    for place, scheme in enumerate(("light", "dark")):
        colours = " ".join(f"--{name}: {shades[place]};" for name, *shades in THEME.values())
        found = found.replace(f"/*{scheme}*/", colours)
    return found


def beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def figure(plot: Path) -> str:
    """A drawing of ours inside the page, in its colours, no larger than its letters are fit for."""
    drawing = inline(plot)
    found = re.search(r'width="([\d.]+)pt"', drawing)
    width = float(found[1]) if found else 0.0
    kind = ' class="wide"' if width > WIDE_POINTS else ""
    return f'<figure{kind} style="max-width: {ENLARGED * width:.0f}pt">{drawing}</figure>'


def inline(plot: Path) -> str:
    """The drawing without the XML prologue, which HTML does not know, its ids its own, its colours the page's."""
    text = plot.read_text(encoding="utf-8")
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{plot.stem}-", text)
    text = re.sub(r'<path [^>]*style="[^"]*"', lambda path: path[0].replace("#ffffff", "var(--paper)"), text)
    for colour, (name, *_) in THEME.items():
        text = re.sub(colour, f"var(--{name})", text, flags=re.IGNORECASE)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(plot.stem.replace("_", " "))}" ', 1)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], sortable: bool = False) -> str:
    """columns: th elements; rows: td elements. Wide ones scroll by themselves."""
    heads = f"<thead><tr>{''.join(columns)}</tr></thead>"
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    kind = f" {SORTABLE}" if sortable else ""
    return f'<div class="scroll"><table{kind}>{heads}<tbody>{body}</tbody></table></div>'


def head(title: str, *, number: bool = False, sortable: bool = False) -> str:
    kind = ' class="number"' if number else ""
    return f"<th{kind}><button>{escape(title)}</button></th>" if sortable else f"<th{kind}>{escape(title)}</th>"


def details(title: str, content: str) -> str:
    """Text that is there when it is asked for."""
    return f"<details><summary>{escape(title)}</summary><pre>{escape(content)}</pre></details>"
