"""The report shows what the folder holds, as text: model output never becomes markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from sspo_cli.runs import jsonl
from sspo_cli.runs.summary import summarise_run
from sspo_cli.views.plots import plot_run
from sspo_cli.views.report import write_report


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def run_folder(folder: Path) -> Path:
    folder.mkdir()
    rows = [{"step": step, "eval/accuracy": 0.1 * step, "reward/mean": 0.2 * step} for step in range(4)]
    jsonl.append(folder / "metrics.jsonl", rows)
    sample = {
        "problem": "p",
        "prompt": "1+1=",
        "response": "<script>alert(1)</script>",
        "reward": None,
        "advantage": 0.0,
        "length": 9,
        "truncated": False,
    }
    jsonl.append(folder / "samples.jsonl", [{"step": 1, **sample, "response": "an old one"}, {"step": 3, **sample}])
    (folder / "command.sh").write_text("#!/bin/sh\nsspo train 'seed=7'\n")
    (folder / "config.yaml").write_text("seed: 7\n")
    (folder / "manifest.json").write_text(json.dumps({"versions": {"torch": "9.9"}}))
    summarise_run(folder, status="done", seconds=90, seed=7, objective="sspo")
    plot_run(folder)
    return folder


def test_the_report_holds_figures_curves_samples_and_the_command(tmp_path: Path) -> None:
    page = Page(write_report(run_folder(tmp_path / "run")).read_text())
    assert "objective sspo, seed 7, 3 steps in 1.5 minutes, done" in page.text
    for words in ("eval/accuracy", "30.0%", "sspo train 'seed=7'", "seed: 7", '"torch": "9.9"', "unscored"):
        assert words in page.text
    assert page.tags.count("svg") == 1
    assert "Held-out accuracy rose from 0.0% to 30.0% (1 seed)." in page.text
    assert "an old one" not in page.text


def test_model_output_stays_text_and_nothing_is_fetched(tmp_path: Path) -> None:
    page = Page(write_report(run_folder(tmp_path / "run")).read_text())
    assert page.tags.count("script") == 1, "the page's own"
    assert "<script>alert(1)</script>" in page.text
    assert all(address.startswith("#") for address in page.addresses)
