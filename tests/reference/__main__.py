"""`python -m tests.reference`: run the real commands of runs.py and compare what they write with outputs/, by file.

Tokens, rewards and whatever else is exact must be equal; what is learned may differ by 1e-6. `--write` replaces
outputs/ by what the code writes now, which a change of the results alone may do.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.reference.runs import RUNS, Run

HERE = Path(__file__).parent
KEPT = HERE / "outputs"
ENVIRONMENT = HERE / "environment.json"
TOLERANCE = 1e-6
# What the machine and the moment decide.
MEASURED = ("time/", "throughput/", "memory/", "minutes", "rollout_tokens_per_s", "update_tokens_per_s", "peak_gib")
# Of a manifest what says which run this is: paths and versions differ between machines.
OF_MANIFEST = ("hashes", "seed")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(run.name for run in RUNS)}; all by default")
    parser.add_argument("--write", action="store_true", help="keep what the code writes now as the reference")
    options = parser.parse_args()
    if unknown := set(options.names) - {run.name for run in RUNS}:
        parser.error(f"no run {', '.join(sorted(unknown))}")
    if not options.write and (told := environment_problem()):
        print(told, file=sys.stderr)
    chosen = with_what_they_read([run for run in RUNS if not options.names or run.name in options.names])
    with tempfile.TemporaryDirectory() as home:
        problems = [line for run in chosen for line in compared(run, Path(home), options.write)]
    if options.write:
        ENVIRONMENT.write_text(json.dumps(environment(), indent=1) + "\n")
    print("\n".join(problems) or f"{len(chosen)} runs: {'written' if options.write else 'as the reference'}")
    return int(bool(problems))


def with_what_they_read(chosen: list[Run]) -> list[Run]:
    needed = {run.folder for run in RUNS for asked in chosen if run.folder in asked.words}
    return [run for run in RUNS if run in chosen or run.folder in needed]


def environment() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "transformers", "numpy")} | {"machine": platform.machine()}


def environment_problem() -> str:
    kept = json.loads(ENVIRONMENT.read_text())
    return "" if kept == environment() else f"the reference is from {kept}, this is {environment()}"


def compared(run: Run, home: Path, write: bool) -> list[str]:
    """Run it in `home`; a line for each difference."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "sspo_cli", *run.words]
    clean = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=home, env=clean, capture_output=True, text=True)
    print(f"{run.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    if done.returncode:
        return [f"{run.name}: exit code {done.returncode}: {done.stderr.strip().splitlines()[-1]}"]
    found: list[str] = []
    for name in run.files:
        content, file = read(home / run.folder / name), KEPT / run.name / f"{name}.json"
        if write:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dump(content))
        else:
            found += [f"{run.name}/{name}{line}" for line in differences(json.loads(file.read_text()), content)]
    return found


def read(file: Path) -> Any:
    """The content of a file as JSON, without what is measured."""
    text = file.read_text()
    if file.suffix == ".csv":
        return kept([{key: number(cell) for key, cell in row.items()} for row in csv.DictReader(text.splitlines())])
    if file.suffix == ".jsonl":
        return kept([json.loads(line) for line in text.split("\n") if line])
    content = json.loads(text)
    return {key: content[key] for key in OF_MANIFEST} if file.name == "manifest.json" else kept(content)


def number(cell: str) -> str | float:
    try:
        return float(cell)
    except ValueError:
        return cell


def kept(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: kept(value) for key, value in content.items() if not key.startswith(MEASURED)}
    return [kept(value) for value in content] if isinstance(content, list) else content


def dump(content: Any) -> str:
    """One line for each entry at the top."""
    if isinstance(content, list):
        return "[\n" + ",\n".join(json.dumps(row) for row in content) + "\n]\n"
    return json.dumps(content, indent=1) + "\n"


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """A line for each value that is missing, new, or differs by more than TOLERANCE."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in expected.keys() | found.keys():
            if key not in expected or key not in found:
                yield f"{where}: {key} is {'new' if key in found else 'missing'}"
            else:
                yield from differences(expected[key], found[key], f"{where}: {key}")
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{where}: {len(found)} entries in place of {len(expected)}"
        for place, (one, other) in enumerate(zip(expected, found, strict=False)):
            yield from differences(one, other, f"{where}[{place}]")
    elif isinstance(expected, float) and isinstance(found, float):
        if not abs(expected - found) <= TOLERANCE * max(1.0, abs(expected)) and not (expected != expected != found):
            yield f"{where}: {found!r} in place of {expected!r}"
    elif expected != found or type(expected) is not type(found):
        yield f"{where}: {found!r} in place of {expected!r}"


if __name__ == "__main__":
    sys.exit(main())
