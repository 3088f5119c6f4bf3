"""The folder of an inspection: what was asked, and inspect.json with what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import to_yaml
from sspo_cli.config.schema import TrainConfig
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import create_folder, write_request
from sspo_cli.runs.format import Kind
from sspo_cli.runs.text import replace_text

FILE = "inspect.json"
KIND: Kind = "inspect"


def write_inspection(
    settings: TrainConfig, words: Sequence[str], options: Sequence[str], result: Mapping[str, Any]
) -> Path:
    """A new folder with the result of `sspo inspect WORDS OPTIONS`."""
    stem = f"{settings.choices['dataset']}-s{settings.seed}"
    folder = create_folder(settings.output_dir, KIND, settings.name, stem)
    write_request(folder, to_yaml(settings), list(words), ["sspo", "inspect", *words, *options])
    replace_text(folder / FILE, json.dumps(jsonl.without_nan(dict(result)), indent=2) + "\n")
    return folder
