"""The report in a real browser, from a file: nothing fetched, no error, tables that sort, fit for a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sspo_cli.study.read import write_results
from sspo_cli.views.study_page import write_report
from tests.study.folders import Axes, make_grid, rising
from tests.views.browser import HERE, open_browser, resize, scheme

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HERE, reason="needs chromium and chromedriver")]
ENDS = {"grpo": 0.5, "gmpo": 0.25, "sspo": 0.8, "gspo": 0.6, "sapo": 0.7}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    axes: Axes = {"objective": list(ENDS), "seed": [0, 1, 2]}
    folder = make_grid(tmp_path_factory.mktemp("browser") / "five", axes, rising(ENDS))
    (folder / "cells/sapo/seed_2/STATUS").write_text("failed: GuardStop: loss is nan\n")
    write_report(write_results(folder))
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with open_browser() as driver:
        yield driver


def column(browser: Chrome, title: str) -> list[str]:
    """The first table's column under `title`, from top to bottom."""
    cells: list[str] = browser.execute_script(
        "const table = document.querySelector('table.sortable');"
        "const place = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent === arguments[0]);"
        "return [...table.tBodies[0].rows].map(row => row.cells[place].textContent);",
        title,
    )
    return cells


def click(browser: Chrome, title: str) -> None:
    buttons = browser.find_elements("css selector", "table.sortable th button")
    next(button for button in buttons if button.text == title).click()


def test_it_opens_from_a_file_without_an_error_or_a_request(page: Path, browser: Chrome) -> None:
    browser.get(page.as_uri())
    written = browser.get_log("browser")  # type: ignore[no-untyped-call]
    errors = [entry for entry in written if entry["level"] != "INFO"]
    assert errors == []
    traced = browser.get_log("performance")  # type: ignore[no-untyped-call]
    events = [json.loads(entry["message"])["message"] for entry in traced]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert asked == {page.as_uri()}
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    html = page.read_text()
    assert not any(word in html for word in (" src=", "@import", 'href="http', "url(http"))


def test_every_figure_has_a_size_and_a_name(page: Path, browser: Chrome) -> None:
    resize(browser, 1200)
    browser.get(page.as_uri())
    figures = browser.find_elements("css selector", "figure svg")
    names = [figure.get_attribute("aria-label") for figure in figures]
    assert {"learning curve", "forest", "entropy", "effective ratio", "weight variance", "gradient norm"} <= set(names)
    assert all(figure.size["width"] > 300 and figure.size["height"] > 80 for figure in figures)
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(set(ids)) == len(ids)


def test_a_click_on_a_title_sorts_and_another_turns_it_round(page: Path, browser: Chrome) -> None:
    resize(browser, 1200)
    browser.get(page.as_uri())
    assert column(browser, "objective") == ["sspo", "sapo", "gspo", "grpo", "gmpo"]
    click(browser, "objective")
    assert column(browser, "objective") == sorted(ENDS)
    click(browser, "accuracy %")
    assert column(browser, "objective") == ["sspo", "sapo", "gspo", "grpo", "gmpo"]
    click(browser, "accuracy %")
    assert column(browser, "objective") == ["gmpo", "grpo", "gspo", "sapo", "sspo"]
    click(browser, "p")  # the baseline and an objective with two seeds have none: last, whichever way
    assert set(column(browser, "objective")[-2:]) == {"grpo", "sapo"}
    click(browser, "p")
    assert set(column(browser, "objective")[-2:]) == {"grpo", "sapo"}


@pytest.mark.parametrize("width", [390, 768, 1400])
def test_the_page_never_scrolls_sideways(page: Path, browser: Chrome, width: int) -> None:
    resize(browser, width)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    text = browser.find_element("css selector", ".answer p")
    assert float(text.value_of_css_property("font-size").removesuffix("px")) >= 16


def test_dark_and_light_have_ink_that_stands_out(page: Path, browser: Chrome) -> None:
    resize(browser, 1200)
    inks = {}
    for name in ("light", "dark"):
        scheme(browser, name)
        browser.get(page.as_uri())
        label = browser.find_element("css selector", "figure svg text")
        paper = browser.find_element("css selector", "body").value_of_css_property("background-color")
        inks[name] = (brightness(label.value_of_css_property("fill")), brightness(paper))
    assert inks["light"][0] < 0.5 < 0.9 < inks["light"][1]
    assert inks["dark"][1] < 0.2 < 0.55 < inks["dark"][0]


def brightness(colour: str) -> float:
    """Of rgb(...) or rgba(...), from 0 to 1."""
    red, green, blue = (int(part) for part in colour[colour.index("(") + 1 :].rstrip(")").split(",")[:3])
    return (red + green + blue) / 765
