"""One measurement in a process of its own: a job as JSON on stdin, its result as JSON on the last line of stdout.

Peak memory is `ru_maxrss` of this process, less what the imports alone had taken: read after them and at the end.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from benchmarks.workload import Workload


def peak_mib() -> float:
    """Most memory this process has held, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main() -> None:
    job: dict[str, Any] = json.load(sys.stdin)
    function = getattr(importlib.import_module(f"benchmarks.{job['module']}"), job["function"])
    imports_mib = peak_mib()
    rows = function(Workload.from_dict(job["workload"]), Path(job["folder"]), job["threads"], **job["options"])
    print(json.dumps({"rows": rows, "imports_mib": imports_mib, "peak_mib": peak_mib() - imports_mib}))


if __name__ == "__main__":
    main()
