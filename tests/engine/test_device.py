"""What the engine asks of the C library."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Blocks that glibc would give back when the last of them is freed, and take anew, page by page.
FAULTS = """
import resource, sys, torch
from sspo_cli.engine.device import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for round in range(4):
    before = faults()
    blocks = [torch.ones(5 * 2**20) for _ in range(6)]
    del blocks
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_comes_back_without_page_faults() -> None:
    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    # 120 MiB are 30,720 pages.
    assert faults("kept") < 300 < 3000 < faults("left alone")
