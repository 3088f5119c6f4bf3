"""`sspo doctor`: whether this machine has what runs need."""

from __future__ import annotations

from dataclasses import asdict

from sspo_cli.health import examine
from sspo_cli.views.console import print_json
from sspo_cli.views.display import waiting
from sspo_cli.views.doctor import print_findings


def run(*, as_json: bool) -> int:
    """Print every finding; 1 if there is a problem, 0 with warnings alone."""
    with waiting("looking at this machine", quiet=as_json):
        found = list(examine())
    if as_json:
        print_json([asdict(item) for item in found])
    else:
        print_findings([(item.state, item.name, item.found, item.fix) for item in found])
    return int(any(item.state == "problem" for item in found))
