"""Ranks of a run before torch is there: whether this process is one, and the launch of all of them by torchrun."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence

INTERRUPTED = 130


def under_torchrun() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def this_rank() -> int:
    """The number of this rank; 0 where there is one process."""
    return int(os.environ["RANK"]) if under_torchrun() else 0


def launch(words: Sequence[str], processes: int) -> int:
    """Run `sspo WORDS` as `processes` ranks on this machine; the exit code of the first that failed, or 0.

    Each rank takes its share of the cores, unless OMP_NUM_THREADS says how many.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // processes)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the ranks tell their errors themselves
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=f"sspo-{os.getpid()}",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "sspo_cli", *words)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            return failure.exitcode
        name = signal.Signals(-failure.exitcode).name
        print(
            f"sspo: rank {rank} was ended by {name}, so all have ended; go on with `sspo train --resume RUN`",
            file=sys.stderr,
        )
        return 1
    except SignalException:
        return INTERRUPTED
    return 0
