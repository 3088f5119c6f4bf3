from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.lock import FILE, hold, holder, is_abandoned, is_held, signature

HOLDER = """
import sys, time
from pathlib import Path
from sspo_cli.runs.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_lasts_as_long_as_its_holder_and_not_longer(tmp_path: Path) -> None:
    assert not is_held(tmp_path) and not is_abandoned(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    try:
        assert is_held(tmp_path) and not is_abandoned(tmp_path)
        assert holder(tmp_path) == f"process {process.pid}"
        with pytest.raises(ConfigError, match=f"process {process.pid} is at work there"), hold(tmp_path):
            pass
    finally:
        process.kill()
        process.wait()
    assert not is_held(tmp_path) and is_abandoned(tmp_path), "killed without a word"
    with hold(tmp_path) as own:
        assert is_held(tmp_path) and holder(tmp_path) == f"process {os.getpid()}" and signature(tmp_path) == own
    with hold(tmp_path) as later:
        assert own != later == signature(tmp_path)
    assert not is_held(tmp_path)


def test_nobody_is_taken_for_gone_who_works_on_another_machine(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("123 elsewhere 1.5")
    assert not is_abandoned(tmp_path)
    assert holder(tmp_path) == "process 123 on elsewhere"
