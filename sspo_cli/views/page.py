"""Reports from templates: a page that opens from a file, light and dark, printable, fit for a phone; and Markdown."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sspo_cli.views.style import BLUE, FAINT, GREEN, GREY, GRID, INK, ORANGE, PURPLE, SKY, VERMILION

TEMPLATES = Path(__file__).with_name("templates")
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
WIDE_POINTS = 460
SHRUNK, ENLARGED = 0.72, 1.12  # of the width that a figure is drawn for


@cache
def environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **content: Any) -> str:
    """The text of templates/`template`. In HTML all but our own drawings, style and script is escaped."""
    return environment().get_template(template).render(style=style_sheet(), script=beside("page.js"), **content)


def style_sheet() -> str:
    """page.css with the colours of both schemes."""
    found = beside("page.css")
    for place, scheme in enumerate(("light", "dark")):
        colours = " ".join(f"--{name}: {shades[place]};" for name, *shades in THEME.values())
        found = found.replace(f"/*{scheme}*/", colours)
    return found


def beside(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def figure(plot: Path, caption: str = "") -> str:
    """A drawing of ours inside the page, in its colours, with a line that says what it shows.

    It is no larger than its letters are fit for, and scrolls sideways where it would be too small to read.
    """
    drawing = inline(plot)
    found = re.search(r'width="([\d.]+)pt"', drawing)
    width = float(found[1]) if found else 0.0
    kind = ' class="wide"' if width > WIDE_POINTS else ""
    drawing = drawing.replace("<svg ", f'<svg style="min-width: {SHRUNK * width:.0f}pt" ', 1)
    legend = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    room = f"max-width: {ENLARGED * width:.0f}pt"
    return f'<figure{kind} style="{room}"><div class="scroll">{drawing}</div>{legend}</figure>'


def inline(plot: Path) -> str:
    """The drawing without the XML prologue, which HTML does not know, its ids its own, its colours the page's."""
    text = plot.read_text(encoding="utf-8")
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{plot.stem}-", text)
    text = re.sub(r'<path [^>]*style="[^"]*"', lambda path: path[0].replace("#ffffff", "var(--paper)"), text)
    for colour, (name, *_) in THEME.items():
        text = re.sub(colour, f"var(--{name})", text, flags=re.IGNORECASE)
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(plot.stem.replace("_", " "))}" ', 1)
