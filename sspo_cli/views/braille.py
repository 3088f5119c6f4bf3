"""Curves in a terminal: braille characters of 2 x 4 dots, or letters where the terminal cannot show them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

ACROSS, DOWN = 2, 4
BLANK = 0x2800
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of the dot at [row][column] in a character


class Canvas:
    """`rows` x `columns` characters on which curves are drawn, each with a letter and a style of rich."""

    def __init__(self, columns: int, rows: int, *, ascii_only: bool) -> None:
        self.columns, self.rows, self.ascii_only = columns, rows, ascii_only
        self.dots = np.zeros((rows, columns), dtype=int)
        self.curves: list[tuple[str, str]] = []
        self.owners: dict[tuple[int, int], list[int]] = {}
        self.letters: dict[tuple[int, int], int] = {}

    def add_curve(self, x_N: NDArray[np.float64], y_N: NDArray[np.float64], letter: str, style: str) -> None:
        """A curve through points in units of the canvas: 0 to 1 from left to right and from bottom to top.

        What lies above or below is not drawn.
        """
        curve = len(self.curves)
        self.curves.append((letter, style))
        width, height = self.columns * ACROSS, self.rows * DOWN
        column_N = np.rint(x_N * (width - 1)).astype(int)
        row_N = np.rint((1 - np.clip(y_N, -1, 2)) * (height - 1)).astype(int)
        before_N = np.concatenate([row_N[:1], row_N[:-1]])
        for column, start, stop in zip(column_N, before_N, row_N, strict=True):
            for row in range(max(min(start, stop), 0), min(max(start, stop), height - 1) + 1):
                cell = row // DOWN, column // ACROSS
                self.dots[cell] |= BITS[row % DOWN][column % ACROSS]
                if curve not in (owners := self.owners.setdefault(cell, [])):
                    owners.append(curve)

    def put_letters(self, times: int) -> None:
        """Write each curve's letter on it so many times, where the fewest others run."""
        for curve in range(len(self.curves)):
            mine = [cell for cell, owners in self.owners.items() if curve in owners and cell not in self.letters]
            fewest = min((len(self.owners[cell]) for cell in mine), default=0)
            free = sorted((cell for cell in mine if len(self.owners[cell]) == fewest), key=lambda cell: cell[1])
            for turn in range(times if free else 0):
                place = (turn + (curve + 0.5) / len(self.curves)) / times
                self.letters[free[int(place * len(free))]] = curve

    def lines(self) -> list[Text]:
        return [self.line(row) for row in range(self.rows)]

    def line(self, row: int) -> Text:
        line = Text()
        for column in range(self.columns):
            cell = row, column
            if cell not in self.owners:
                upright = column == self.columns // 2
                line.append((":" if self.ascii_only else "┊") if upright else " ", style="dim")
                continue
            owners = self.owners[cell]
            curve = self.letters.get(cell, owners[column // 2 % len(owners)])  # in stripes where curves coincide
            letter, style = self.curves[curve]
            as_letter = self.ascii_only or cell in self.letters
            line.append(letter if as_letter else chr(BLANK + self.dots[cell]), style=style)
        return line


def framed(
    canvas: Canvas, title: str, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], margin: int
) -> list[Text]:
    """The canvas under its title, with an axis on the left, its labels in `margin` columns, and one below.

    Ticks are (place from 0 to 1, label).
    """
    upright, tick, corner, level, mark = "|++-+" if canvas.ascii_only else "│┤└─┬"
    labels = {round((1 - place) * (canvas.rows - 1)): label for place, label in y_ticks}
    lines = [Text.assemble(" " * (margin + 1), (title, "bold"))]
    for row, drawn in enumerate(canvas.lines()):
        edge = tick if row in labels else upright
        lines.append(Text(f"{labels.get(row, ''):>{margin}}{edge}", style="dim") + drawn)
    rule, below = [level] * canvas.columns, [" "] * canvas.columns
    for place, label in x_ticks:
        column = round(place * (canvas.columns - 1))
        rule[column] = mark
        start = min(max(column - (len(label) - 1) // 2, 0), len(below) - len(label))
        if all(character == " " for character in below[max(start - 1, 0) : start + len(label) + 1]):
            below[start : start + len(label)] = label
    lines.append(Text(" " * margin + corner + "".join(rule), style="dim"))
    lines.append(Text(" " * (margin + 1) + "".join(below).rstrip(), style="dim"))
    return lines
