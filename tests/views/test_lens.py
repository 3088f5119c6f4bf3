from __future__ import annotations

import math
import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from sspo_cli.views.braille import Canvas, framed
from sspo_cli.views.lens import Curves, Lens, Shown, lens_figure, merged, near_one, stretches, svg, ticks

pytestmark = pytest.mark.slow

LOG_RATIO_N = np.linspace(-1, 1, 201)


def clipped(bound: float, weight: tuple[float, float] = (0.0, math.inf)) -> Curves:
    ratio_N = np.exp(LOG_RATIO_N)
    return Curves(np.minimum(ratio_N, bound), np.where(ratio_N < bound, ratio_N, 0), weight)


def shown(name: str, bound: float, ratio: str = "token", weight: tuple[float, float] = (0.5, 2.0)) -> Shown:
    return Shown((name,), ratio, (clipped(bound, weight), clipped(bound, weight)))


def lens(*objectives: Shown) -> Lens:
    return Lens(LOG_RATIO_N, merged(objectives))


def test_objectives_with_the_same_curves_share_a_name_unless_their_ratios_differ() -> None:
    seen = merged(
        [
            shown("a", 1.2),
            shown("b", 1.3),
            shown("c", 1.2),
            shown("d", 1.2, "product"),
            shown("e", 1.2, weight=(0.5, 2.1)),
        ]
    )
    assert [one.label for one in seen] == ["a, c", "b", "d (product ratio)", "e"]


def test_ticks_are_powers_of_two_or_even_steps_near_one() -> None:
    assert ticks(1 / 6, 6, most=7) == [0.25, 0.5, 1, 2, 4]
    assert ticks(1 / 20, 20, most=5) == [0.0625, 0.25, 1, 4, 16]
    assert ticks(0.9993, 1.0007, most=7) == [0.9995, 1, 1.0005]
    assert ticks(0.84, 1.19, most=7) == [0.9, 1, 1.1]


def test_numbers_near_one_keep_the_digits_that_tell_them_from_it() -> None:
    assert [near_one(value) for value in (1, 1.0004, 0.9997, 0.85506, 4.0)] == ["1", "1.0004", "0.9997", "0.855", "4"]


def test_an_unbounded_multiplier_leaves_the_picture_where_another_is_bounded() -> None:
    low, high = lens(shown("free", 9.0)).multiplier_limits
    assert low == 0 and high == pytest.approx(math.e)
    assert lens(shown("free", 9.0), shown("tight", 1.2)).multiplier_limits == (0, 2)
    low, high = lens(shown("tight", 1.5)).multiplier_limits
    assert low == 0 and high == pytest.approx(1.5, rel=0.01)


def test_the_gate_axis_follows_f_of_one_and_the_ratios() -> None:
    low, high = lens(shown("a", 1.5)).gate_limits
    assert (low, high) == pytest.approx((1 / math.e, 1.5))
    half = Curves(0.5 * np.exp(4 * LOG_RATIO_N), np.ones(201), (0, 1))
    assert lens(Shown(("steep",), "token", (half, half))).gate_limits == pytest.approx((0.5 / math.e, 0.5 * math.e))


def test_curves_are_cut_where_their_company_changes() -> None:
    value_CN = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 2, 2], [9, 9, 9, 9, 9]], dtype=float)
    assert list(stretches(value_CN)) == [
        (0, 0, 2, [0, 1]),
        (0, 2, 4, [0]),
        (1, 0, 2, [0, 1]),
        (1, 2, 4, [1]),
        (2, 0, 4, [2]),
    ]


def lines(figure: Figure, place: int) -> list[Any]:
    """The curves in one pair of axes; the first line there is the one that marks r = 1."""
    return figure.subfigs[0].axes[place].lines[1:]


@pytest.mark.parametrize(("place", "values"), enumerate(["gate_N", "gate_N", "multiplier_N", "multiplier_N"]))
def test_the_lines_are_the_curves(place: int, values: str) -> None:
    drawn = [line.get_ydata() for line in lines(lens_figure(lens(shown("a", 1.2), shown("b", 1.5))), place)]
    half = len(drawn) // 2
    for bound, parts in ((1.2, drawn[:half]), (1.5, drawn[half:])):
        whole = np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
        assert np.array_equal(whole, getattr(clipped(bound), values))


def test_where_curves_coincide_the_stripes_of_one_fill_the_gaps_of_the_other() -> None:
    shared_a, alone_a, shared_b, alone_b = lines(lens_figure(lens(shown("a", 1.2), shown("b", 1.5))), 0)
    assert np.array_equal(shared_a.get_ydata(), shared_b.get_ydata()) and shared_a.get_ydata().max() <= 1.2
    assert shared_a._unscaled_dash_pattern == (0, (4, 4)) and shared_b._unscaled_dash_pattern == (4, (4, 4))
    assert alone_a.get_linestyle() == alone_b.get_linestyle() == "-"
    assert len({shared_a.get_color(), shared_b.get_color()}) == 2 and shared_a.get_color() == alone_a.get_color()


def test_the_svg_is_xml_and_names_every_objective_and_every_bound() -> None:
    objectives = [shown(f"objective_{place}", 1.05 + 0.05 * place, weight=(0, 1.1 + place)) for place in range(16)]
    text = " ".join(ElementTree.fromstring(svg(lens(*objectives))).itertext())
    for place in range(16):
        assert f"objective_{place}" in text
        assert f" {near_one(1.1 + place)} " in " ".join(text.split())
    for words in ("A > 0", "A < 0", "gate value f(r)", "token multiplier", "ratio r", "sequence weight w, A > 0"):
        assert words in text


def test_nothing_is_written_at_the_end_of_an_unbounded_weight() -> None:
    bounded = svg(lens(shown("a", 1.2, weight=(0.77, 3.3)))).decode()
    open_above = svg(lens(shown("a", 1.2, weight=(0.77, math.inf)))).decode()
    assert ">0.77<" in bounded and ">3.3<" in bounded
    assert ">0.77<" in open_above and "inf" not in open_above


def test_same_curves_give_the_same_bytes_and_another_bound_other_bytes() -> None:
    assert svg(lens(shown("a", 1.2))) == svg(lens(shown("a", 1.2)))
    assert svg(lens(shown("a", 1.2))) != svg(lens(shown("a", 1.25)))


def rendered(*y: list[float], columns: int = 2, rows: int = 1, ascii_only: bool = False) -> list[str]:
    canvas = Canvas(columns, rows, ascii_only=ascii_only)
    for letter, values in zip("abc", y, strict=False):
        canvas.add_curve(np.linspace(0, 1, len(values)), np.array(values), letter, "red")
    return [line.plain for line in canvas.lines()]


def test_a_line_in_braille() -> None:
    assert rendered([0, 1 / 3, 2 / 3, 1]) == ["⣠⠞"]
    assert rendered([0, 0, 0, 0]) == ["⣀⣀"]
    assert rendered([1, 1, -3, -3]) == ["⠉⡇"]


def test_letters_stand_for_curves_where_the_terminal_has_no_braille() -> None:
    assert rendered([0, 0, 0, 0], [1, 1, 1, 1], columns=2, rows=2, ascii_only=True) == ["bb", "aa"]


def test_each_curve_carries_its_letter_where_it_runs_alone() -> None:
    canvas = Canvas(20, 4, ascii_only=False)
    x_N = np.linspace(0, 1, 101)
    canvas.add_curve(x_N, np.zeros(101), "a", "red")
    canvas.add_curve(x_N, np.where(x_N < 0.5, 0, 1), "b", "blue")
    canvas.put_letters(times=1)
    top, bottom = canvas.lines()[0].plain, canvas.lines()[-1].plain
    assert top.count("b") == 1 and "a" not in top
    assert bottom.count("a") == 1 and "b" not in bottom and bottom.index("a") >= 10


def test_a_frame_labels_its_ticks_and_leaves_out_those_that_would_touch() -> None:
    x_ticks = [(0.0, "0.5"), (0.1, "0.6"), (0.5, "1")]
    drawn = framed(Canvas(11, 3, ascii_only=True), "f", x_ticks, [(0.0, "0"), (1.0, "2")], 3)
    assert [line.plain for line in drawn] == [
        "    f",
        "  2+     :     ",
        "   |     :     ",
        "  0+     :     ",
        "   +++---+-----",
        "    0.5  1",
    ]


def test_drawing_imports_neither_torch_nor_pyplot() -> None:
    program = (
        "import sys, sspo_cli.views.lens, sspo_cli.views.braille;"
        " print({'torch', 'matplotlib.pyplot'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "set()\n"
