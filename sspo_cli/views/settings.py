"""The screens of `sspo show KEY` and `sspo show SECTION`: settings with their values, defaults and meaning."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sspo_cli.config.reference import UNSET, Explained, Meaning
from sspo_cli.config.wording import show_value
from sspo_cli.views.console import results

BY_CHOICE = "(by choice)"


def print_setting(item: Explained) -> None:
    """One setting in full, one row for each way in which choices of its group differ."""
    console = results()
    console.print(Text(item.key, style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for meaning in item.meanings:
        if meaning.choices:
            table.add_row("with", Text(", ".join(meaning.choices), style="cyan"))
        table.add_row("meaning", Text(sentence(meaning.text)))
        default = default_of(meaning)
        group = item.key.partition(".")[0]
        where = f": `sspo show {group} NAME` has that of each {group}" if default == BY_CHOICE else ""
        table.add_row("default", Text(default + where))
    table.add_row("values", Text(item.allowed))
    console.print(table)


def print_section(items: Sequence[Explained]) -> None:
    """The settings of a section, a row each; nothing if there are none."""
    if not items:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("setting", no_wrap=True)
    for title in ("default", "values", "meaning"):
        table.add_column(title)
    for item in items:
        for place, meaning in enumerate(item.meanings):
            with_choices = f" ({', '.join(meaning.choices)})" if len(item.meanings) > 1 else ""
            table.add_row(
                Text("" if place else item.key, style="cyan"),
                Text(default_of(meaning)),
                Text("" if place else item.allowed),
                Text(sentence(meaning.text) + with_choices),
            )
    results().print(table)


def sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def default_of(meaning: Meaning) -> str:
    """The default as the command line takes it."""
    if meaning.default == UNSET:
        return "(you must set it)" if meaning.choices else BY_CHOICE
    return repr(meaning.default)[1:-1] if isinstance(meaning.default, str) else show_value(meaning.default)
