"""The one reader of what a cell left behind, whatever state it is in."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from sspo_cli.config.earlier import in_words_of_now
from sspo_cli.config.literal import unescaped
from sspo_cli.config.tree import load_yaml
from sspo_cli.runs import format as run_format
from sspo_cli.runs import jsonl
from sspo_cli.runs.metric_rows import MetricRow, read_metrics
from sspo_cli.runs.status import State, read_state
from sspo_cli.runs.text import BrokenFile, read_json, read_text
from sspo_cli.study.settings import settings


class CellFiles:
    """The files of a cell, each read once and when it is asked for.

    What is missing is empty. What is there and cannot be read raises ValueError, which names the file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def state(self) -> State:
        return read_state(self.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Raises UnreadableFormat: if a later version wrote it."""
        run_format.check(self.folder)
        return in_words_of_now(mapping(self.folder / "config.yaml"))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        return mapping(self.folder / "manifest.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        return mapping(self.folder / "summary.json")

    @cached_property
    def metrics(self) -> list[MetricRow]:
        return read_metrics(self.folder)

    @cached_property
    def answers(self) -> list[dict[str, Any]]:
        """Rows of eval.jsonl, of the first and the last evaluation alone."""
        file = self.folder / "eval.jsonl"
        rows = jsonl.read(file)
        if any("step" not in row for row in rows):
            raise BrokenFile([f"{file}: has a row without a step"])
        kept = {rows[0]["step"], rows[-1]["step"]} if rows else set()
        return [row for row in rows if row["step"] in kept]

    @cached_property
    def settings(self) -> dict[str, Any] | None:
        """The settings of config.yaml; None where there is none that can be read."""
        try:
            return settings(self.config) if self.config else None
        except (OSError, ValueError):
            return None

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Of what the run stands on; empty where the manifest cannot be read."""
        try:
            return dict(self.manifest.get("hashes", {}))
        except (OSError, ValueError):
            return {}

    def figure(self, name: str, part: str = "last") -> float | None:
        """A figure of summary.json: of a metric its part, else the value itself; None where it cannot be had."""
        try:
            found = self.summary[name]
            return float(found[part] if isinstance(found, dict) else found)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def mapping(file: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file, empty where it is missing.

    Raises:
        BrokenFile: naming the file, if it holds something else.
    """
    try:
        found = read_json(file) if file.suffix == ".json" else unescaped(load_yaml(read_text(file)))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, RecursionError) as error:
        raise BrokenFile([f"{file}: {' '.join(str(error).split())}"]) from error
    if not isinstance(found, dict):
        raise BrokenFile([f"{file}: not a mapping"])
    return found
