"""`sspo show lora`: the settings of a section that no group fills."""

from __future__ import annotations

from dataclasses import asdict

from sspo_cli.config.catalogue import section_settings
from sspo_cli.views.console import print_json
from sspo_cli.views.show import print_section


def run(name: str, *, as_json: bool) -> int:
    """Print the settings of the section `name`, each with the comment beside it."""
    settings = section_settings(name)
    if as_json:
        print_json([asdict(row) for row in settings])
    else:
        print_section(name, settings)
    return 0
