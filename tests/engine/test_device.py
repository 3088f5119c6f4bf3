"""What the engine asks of the C library."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# Prints MiB in blocks of the system's, while 120 MiB are held, and MiB that are free but kept, once they are freed.
HELD = """
import ctypes, torch
from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.device import choose_device
NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]
mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo
choose_device(load_config(TrainConfig, ["engine.device=cpu"]).engine)
before = mallinfo().hblkhd
blocks = [torch.ones(5 * 2**20) for _ in range(6)]
held = mallinfo().hblkhd - before
del blocks
print(held // 2**20, mallinfo().fordblks // 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="a setting of glibc")
def test_freed_memory_is_kept_for_the_next_tensors() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    of_system, kept = map(int, done.stdout.split())
    assert of_system == 0
    assert kept >= 120
