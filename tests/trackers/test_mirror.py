from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.config.schema import NoTracker
from sspo_cli.trackers.mirror import check_tracker, open_tracker
from tests.views.runs import metric_rows
from tests.views.terminal import in_terminal

pytestmark = pytest.mark.slow


OFFLINE = """
import sys
from pathlib import Path
from sspo_cli.config.schema import WandbTracker
from sspo_cli.trackers.mirror import check_tracker, open_tracker
from tests.views.runs import metric_rows
tracker = WandbTracker(kind="wandb", project="sspo", mode="offline")
assert check_tracker(tracker) == []
mirror = open_tracker(tracker, Path(sys.argv[1]), {"objective": {"gate": {"tau_pos": 10.0}}})[0]
for row in metric_rows(5):
    mirror.step(row)
mirror.close(0)
mirror.step({"step": 6})
mirror.close(0)
"""

ONLINE = """
from pathlib import Path
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import WandbTracker
from sspo_cli.trackers.mirror import check_tracker, open_tracker
tracker = WandbTracker(kind="wandb", project="sspo", mode="online")
print(check_tracker(tracker))
try:
    open_tracker(tracker, Path.home(), {})
except ConfigError as error:
    print(error)
"""


def records(path: Path) -> Iterator[Any]:
    """The protobuf records of a .wandb file: LevelDB's log format, blocks of 32 KiB, after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, place)
        parts += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def test_an_offline_run_holds_the_rows_of_metrics_jsonl(tmp_path: Path) -> None:
    folder = tmp_path / "sspo-addition-s0"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(folder)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("\n") <= 1  # one line may say that the row after the end was not mirrored
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    config: dict[str, Any] = {}
    for record in records(file):
        if record.WhichOneof("record_type") == "run":
            names.append(record.run.display_name)
            config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif record.WhichOneof("record_type") == "history":
            values = {
                "/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item
            }
            rows.append({"step": record.history.step.num} | {k: v for k, v in values.items() if k[0] != "_"})
    assert rows == metric_rows(5)
    assert set(names) == {"sspo-addition-s0"}
    assert config["objective"] == {"gate": {"tau_pos": 10.0}}


def test_online_without_a_login_is_one_line_with_the_fix_and_never_a_prompt(tmp_path: Path) -> None:
    status, output = in_terminal(ONLINE, 200, tmp_path, NETRC=str(tmp_path / "none"))
    listed, raised = output.splitlines()
    assert status == 0
    assert "wandb login" in raised
    assert "tracker.mode=offline" in raised
    assert listed == repr([raised])


def test_no_tracker_is_no_mirror_and_imports_nothing(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from sspo_cli.config.schema import NoTracker
from sspo_cli.trackers.mirror import open_tracker
assert open_tracker(NoTracker(kind="none", project=None, mode=None), Path("."), {}) == []
assert "wandb" not in sys.modules and "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
    none = NoTracker(kind="none", project=None, mode=None)
    assert check_tracker(none) == []
    assert open_tracker(none, tmp_path, {}) == []
    assert list(tmp_path.iterdir()) == []
