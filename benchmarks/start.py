"""How long `sspo train` takes to its first rollout."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.workload import Workload


def measure(workload: Workload, folder: Path, threads: int) -> list[dict[str, Any]]:
    """Seconds from typing `sspo train` until it is ready to sample, and until its first rollout begins.

    Told from the run folder, so that nothing in the process knows that it is watched: STATUS appears when everything
    is loaded, the first row of metrics.jsonl when the untrained model has been evaluated.
    """
    command = [sys.executable, "-m", "sspo_cli", "train", "--quiet", f"engine.threads={threads}"]
    with tempfile.TemporaryDirectory() as outputs:
        run = Path(outputs) / "train" / "start"
        begun = time.perf_counter()
        with subprocess.Popen([*command, f"output_dir={outputs}", "name=start"], stdout=subprocess.DEVNULL) as process:
            try:
                ready_s = wait_for(run / "STATUS", process, begun)
                rollout_s = wait_for(run / "metrics.jsonl", process, begun)
            finally:
                process.kill()
    return [{"ready_s": ready_s, "first_rollout_s": rollout_s}]


def wait_for(file: Path, process: subprocess.Popen[bytes], begun: float) -> float:
    while not (file.exists() and file.stat().st_size):
        if process.poll() is not None:
            raise RuntimeError(f"sspo train ended with exit code {process.returncode}")
        time.sleep(0.005)
    return time.perf_counter() - begun
