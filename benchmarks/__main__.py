"""`python -m benchmarks`: measure, print the tables, write bench.json, bench.md and bench.svg.

Every measurement runs in a process of its own, and this one imports no torch: a child's `ru_maxrss` starts from what
its parent held.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import Watch, cores, environment
from benchmarks.page import render, tables_of
from benchmarks.plan import TABLES, Job, jobs
from benchmarks.versus import unequal_work
from benchmarks.workload import Workload

ROOT = Path(__file__).parents[1]
REPETITIONS = 5
BUSY_LOAD = 0.5


def main() -> int:
    options = arguments()
    file = options.to / "bench.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    if not options.render:
        threads = options.threads or cores()
        load = os.getloadavg()[0]
        if load > BUSY_LOAD:
            print(f"the machine is busy (load {load:.1f}): what follows will be off", file=sys.stderr)
        results |= run(jobs(options.tables, options.repetitions, options.steps), threads)
        options.to.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({name: results[name] for name in TABLES if name in results}, indent=1) + "\n")
    tables = tables_of(results)
    print("\n\n".join(str(table) for table in tables))
    render(results, tables, options.to)
    problems = unequal_work(results)
    for problem in problems:
        print(f"unequal work: {problem}", file=sys.stderr)
    return int(bool(problems))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure this engine.")
    parser.add_argument("tables", nargs="*", default=[], help=f"of {', '.join(TABLES)}; all by default")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="of the comparison with TRL")
    parser.add_argument("--steps", type=int, default=1, help="rollout steps a repetition, after one to warm up")
    parser.add_argument("--threads", type=int, default=0, help="of both sides; 0 takes the cores at hand")
    parser.add_argument(
        "--to",
        type=Path,
        help="folder of bench.json, bench.md, bench.svg: docs/evidence, or outputs/bench for short runs",
    )
    parser.add_argument("--render", action="store_true", help="measure nothing: tables and figure of bench.json")
    options = parser.parse_args()
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    options.tables = options.tables or list(TABLES)
    options.to = options.to or ROOT / ("docs/evidence" if options.repetitions >= REPETITIONS else "outputs/bench")
    return options


def run(planned: list[Job], threads: int) -> dict[str, Any]:
    """The results of all jobs by table, each with the environment that it came from."""
    begun = time.monotonic()
    expected = sum(job.seconds for job in planned)
    spent_of_expected = 0.0
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as root:
        checkpoints: dict[Workload, Path] = {}
        about: dict[Workload, dict[str, Any]] = {}
        for number, job in enumerate(planned, start=1):
            elapsed = time.monotonic() - begun
            pace = elapsed / spent_of_expected if spent_of_expected > 30 else 1.0
            left = (expected - spent_of_expected) * pace
            print(
                f"[{number:>2}/{len(planned)}] {job.table}: {job.name:<30} "
                f"{clock(elapsed)} gone, about {clock(left)} to go",
                file=sys.stderr,
                flush=True,
            )
            weights = model_only(job.workload)
            if weights not in checkpoints:
                checkpoints[weights] = Path(root) / f"model_{len(checkpoints)}"
                written = call("checkpoint.write", weights, checkpoints[weights], threads, {})
                about[weights] = written["rows"][0]
            watch = Watch()
            found = call(job.call, job.workload, checkpoints[weights], threads, job.options)
            found["others"] = watch.others()
            table = results.setdefault(job.table, {"environment": environment(threads), "jobs": []})
            table["jobs"].append({"name": job.name, "workload": job.workload.to_dict(), **about[weights], **found})
            spent_of_expected += job.seconds
    return results


def model_only(workload: Workload) -> Workload:
    """Workloads that read the same folder are equal here."""
    return workload.replace(updates=1, samples_per_prompt=1, tokens_per_microbatch=None)


def call(what: str, workload: Workload, folder: Path, threads: int, options: dict[str, Any]) -> dict[str, Any]:
    """The result of one child process.

    Raises:
        RuntimeError: with what it wrote to stderr, if it failed.
    """
    module, function = what.split(".")
    job = {
        "module": module,
        "function": function,
        "workload": workload.to_dict(),
        "folder": str(folder),
        "threads": threads,
        "options": options,
    }
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.child"],
        input=json.dumps(job),
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if child.returncode:
        raise RuntimeError(f"{what} failed:\n{child.stderr}")
    result: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return result


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


if __name__ == "__main__":
    sys.exit(main())
