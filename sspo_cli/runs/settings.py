"""config.yaml of a run: its resolved settings, read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sspo_cli.config.earlier import in_words_of_now
from sspo_cli.config.literal import unescaped
from sspo_cli.config.tree import leaves, load_yaml
from sspo_cli.runs import format as run_format
from sspo_cli.runs.text import BrokenFile, read_text

# Keys that say which kind of choice a section is: `choices` tells it in the user's words.
TAGS = ("kind", "name")


def read_settings(file: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Choices by group and settings by dotted key of a resolved config.yaml.

    Raises:
        ValueError: if it is not there, or not a whole configuration.
        UnreadableFormat: if the run in its folder is of a newer format.
    """
    content = read_content(file)
    if not isinstance(content, dict) or not isinstance(content.get("choices"), dict) or "seed" not in content:
        raise ValueError(f"{file.name} is not a whole configuration")
    choices = {str(group): str(choice) for group, choice in content.pop("choices").items()}
    tags = {f"{group.replace('/', '.')}.{tag}" for group in choices for tag in TAGS}
    return choices, {key: value for key, value in leaves(content) if key not in tags}


def read_tree(file: Path) -> dict[str, Any]:
    """The same as nested mappings, whole or not.

    Raises:
        ValueError: if it is not there, or no mapping.
        UnreadableFormat: if the run in its folder is of a newer format.
    """
    content = read_content(file)
    if not isinstance(content, dict):
        raise ValueError(f"{file}: not a mapping")
    return content


def read_content(file: Path) -> Any:
    """What a resolved config.yaml holds.

    Raises:
        ValueError: if it is not there, or no YAML.
        UnreadableFormat: if the run in its folder is of a newer format.
    """
    run_format.check(file.parent)
    try:
        content = unescaped(load_yaml(read_text(file)))
        return in_words_of_now(content) if isinstance(content, dict) else content
    except FileNotFoundError:
        raise ValueError(f"there is no {file.name}") from None
    except BrokenFile as error:
        raise ValueError(str(error).removeprefix(f"{file.parent}/")) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{file.name} is torn, or no YAML") from error
