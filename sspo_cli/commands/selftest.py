"""`sspo selftest`: the laws of an objective, asked of every one there is, a user's own included."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import is_users
from sspo_cli.config.objectives import compose_all, split_words
from sspo_cli.config.schema import ObjectiveConfig
from sspo_cli.views.console import print_json
from sspo_cli.views.display import phases
from sspo_cli.views.selftest import Outcome, Row, as_data, print_laws


def run(words: Sequence[str], *, as_json: bool) -> int:
    """Print the table; exit code 1 if a law is broken or an objective does not compose.

    Raises:
        ConfigError: for an unknown name, or if no objective composes.
    """
    start = time.monotonic()
    names, overrides = split_words(words)
    composed = compose_all(names, overrides)
    from sspo_cli.laws.laws import LAWS

    rows = []
    with phases(quiet=False) as progress:
        for done, (name, found) in enumerate(composed.items()):
            progress(f"laws of {len(names)} objectives", done, len(names))
            rows.append(row_of(name, found))
    laws = {name: law.about for name, law in LAWS.items()}
    if as_json:
        print_json(as_data(laws, rows))
    else:
        print_laws(laws, rows, time.monotonic() - start)
    return int(any(row.failures for row in rows))


def row_of(name: str, found: ObjectiveConfig | ConfigError) -> Row:
    """Every law, of the objective that was composed."""
    from sspo_cli.laws.laws import LAWS, Subject

    yours = is_users("objective", name)
    try:
        if isinstance(found, ConfigError):
            raise found
        subject = Subject.of(found)
    except ConfigError as error:
        return Row(name, yours, {}, error.problems)
    verdicts = {law: LAWS[law].verdict(subject) for law in LAWS}
    return Row(name, yours, {law: Outcome(item.outcome, item.reason) for law, item in verdicts.items()}, [])
