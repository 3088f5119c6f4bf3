"""Pages of every kind in a real browser: no label covers another one, nothing is cut, nothing leaves the screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sspo_cli.runs import jsonl
from sspo_cli.runs.summary import summarise_run
from sspo_cli.study.read import write_results
from sspo_cli.views.plots import plot_run
from sspo_cli.views.report import write_report as write_run_report
from sspo_cli.views.study_page import write_report
from tests.study.folders import Axes, Point, make_grid, rising
from tests.views.browser import HERE, open_browser, resize, scheme
from tests.views.test_plots import rows
from tests.views.test_report import run_folder

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not HERE, reason="needs chromium and chromedriver")]
ALIKE = {"grpo": 0.5, "gmpo": 0.5, "sspo": 0.5, "gspo": 0.52, "sapo": 0.48}
KINDS = ("failed", "one_seed", "two_seeds", "long", "sweep", "run", "truncated_run")

# The labels of every figure that cover one another or stick out of it, and the lines and bands that the axes cut.
FAULTS_OF_FIGURES = """
const slack = 1.5, found = [];
const say = (svg, words) => found.push(svg.getAttribute("aria-label") + ": " + words);
for (const svg of document.querySelectorAll("figure svg")) {
  const frame = svg.getBoundingClientRect();
  if (!frame.width) { say(svg, "is not shown"); continue; }
  const texts = [...svg.querySelectorAll("text")].filter(text => text.textContent.trim());
  const boxes = texts.map(text => text.getBoundingClientRect());
  boxes.forEach((one, i) => {
    const name = texts[i].textContent;
    if (one.left < frame.left - slack || one.right > frame.right + slack
        || one.top < frame.top - slack || one.bottom > frame.bottom + slack) say(svg, name + " is cut");
    boxes.slice(i + 1).forEach((other, j) => {
      if (Math.min(one.right, other.right) - Math.max(one.left, other.left) > slack
          && Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > slack)
        say(svg, name + " covers " + texts[i + 1 + j].textContent);
    });
  });
  for (const drawn of svg.querySelectorAll("[clip-path]")) {
    const rect = svg.querySelector(drawn.getAttribute("clip-path").slice(4, -1) + " rect");
    const box = drawn.getBBox(), clip = rect.getBBox();
    if (box.x < clip.x - 1 || box.y < clip.y - 1 || box.x + box.width > clip.x + clip.width + 1
        || box.y + box.height > clip.y + clip.height + 1)
      say(svg, (drawn.closest("g[id]")?.id ?? "a line") + " is cut at the axes");
  }
}
return found;
"""

# What sticks out of the screen, but for what lies in a container that scrolls.
BEYOND = """
const scrolls = node => node && (["auto", "scroll"].includes(getComputedStyle(node).overflowX)
  || scrolls(node.parentElement));
return [...document.body.querySelectorAll("*")]
  .filter(node => node.getBoundingClientRect().right > innerWidth + 1 && !scrolls(node))
  .map(node => node.tagName + " " + node.textContent.slice(0, 40));
"""

# Containers that scroll without a line that says so.
UNMARKED = """
return [...document.querySelectorAll(".scroll")]
  .filter(node => node.scrollWidth > node.clientWidth + 1 && !node.nextElementSibling?.matches(".hint")).length;
"""


def ends_of(point: Point, seed: int) -> list[float]:
    """Curves that end near one another, so that their labels have to make room."""
    return list(rising(ALIKE, wobble=0.08)(point, seed))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("pages")
    names = list(ALIKE)
    long: Axes = {
        "objective": names[:2], "optim.lr": [0.0000125, 0.000025], "rollout.temperature": [0.75], "seed": [0, 1, 2],
    }  # fmt: skip
    grids: dict[str, tuple[Axes, str]] = {
        "failed": ({"objective": names, "seed": [0, 1, 2]}, "compare"),
        "one_seed": ({"objective": names[:2], "seed": [0]}, "compare"),
        "two_seeds": ({"objective": names[:3], "seed": [0, 1]}, "compare"),
        "long": (long, "sweep"),
        "sweep": (
            {"objective": names[:2], "optim.lr": [1e-5, 1e-4], "batch.epochs": [1, 2, 3], "seed": [0, 1, 2]},
            "sweep",
        ),
    }
    for name, (axes, kind) in grids.items():
        folder = make_grid(home / name, axes, ends_of, kind=kind)
        if name == "failed":
            (folder / "cells/sapo/seed_2/STATUS").write_text("failed: GuardStop: loss is nan\n")
        write_report(write_results(folder))
    for name, cut, steps in (("run", 0.0, 8), ("truncated_run", 0.25, 200)):
        folder = run_folder(home / name)
        (folder / "metrics.jsonl").unlink()
        jsonl.append(folder / "metrics.jsonl", [{**row, "response/truncated": cut} if row["step"] else row
                                                for row in rows(steps)])  # fmt: skip
        summarise_run(folder, status="done", seconds=90, seed=7, objective="sspo")
        plot_run(folder)
        write_run_report(folder, ["sspo eval outputs/train/run"])
    return {name: home / name / "report.html" for name in KINDS}


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with open_browser() as driver:
        yield driver


def faults(browser: Chrome, script: str) -> Any:
    return browser.execute_script(script)


@pytest.mark.parametrize("kind", KINDS)
def test_no_label_is_covered_and_nothing_is_cut(kind: str, pages: dict[str, Path], browser: Chrome) -> None:
    for width, shades in ((390, "dark"), (1280, "light")):
        resize(browser, width)
        scheme(browser, shades)
        browser.get(pages[kind].as_uri())
        assert faults(browser, UNMARKED) == 0, width
        browser.execute_script("document.querySelectorAll('details').forEach(node => node.open = true)")
        browser.execute_async_script("setTimeout(arguments[0], 50)")  # until what opened has its hints
        assert faults(browser, FAULTS_OF_FIGURES) == [], width
        assert faults(browser, BEYOND) == [], width
        assert faults(browser, UNMARKED) == 0, width
        assert faults(browser, "return document.documentElement.scrollWidth") <= width


def visible_figures(browser: Chrome) -> set[str | None]:
    found = browser.find_elements("css selector", "figure svg")
    return {figure.get_attribute("aria-label") for figure in found if figure.is_displayed()}


def test_figures_that_change_no_decision_are_folded_but_printed(pages: dict[str, Path], browser: Chrome) -> None:
    resize(browser, 1280)
    browser.get(pages["failed"].as_uri())
    assert visible_figures(browser) == {"learning curve", "forest"}
    browser.get(pages["run"].as_uri())
    assert visible_figures(browser) == {"learning curve"}
    browser.get(pages["truncated_run"].as_uri())
    assert visible_figures(browser) == {"learning curve", "response"}, "truncated responses are not folded away"
    is_seen = "return document.querySelector('details.more figure svg').checkVisibility()"
    browser.get(pages["run"].as_uri())
    assert not browser.execute_script(is_seen)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script(is_seen), "without the script"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(is_seen), "by the script"


def test_the_answer_and_the_next_command_come_first(pages: dict[str, Path], browser: Chrome) -> None:
    resize(browser, 1280)
    for kind in KINDS:
        browser.get(pages[kind].as_uri())
        answer, command, table = (
            browser.find_element("css selector", chosen) for chosen in (".answer p", ".next pre", "table")
        )
        assert answer.location["y"] < command.location["y"] < table.location["y"]
        assert command.text.startswith("sspo ") and command.value_of_css_property("user-select") == "all"
        assert "1 seeds" not in answer.text and "-0.0 " not in browser.find_element("css selector", "body").text
