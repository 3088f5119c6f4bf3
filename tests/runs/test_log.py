"""The end of a log, however long the log is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspo_cli.runs.log import END_BYTES, last_line


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", ""),
        (b" \n\n", ""),
        (b"one\n  two \n\n \n", "two"),
        (b"one\ntwo", "two"),
        (b"progress\rsspo: it failed\r\n", "sspo: it failed"),
        (b"\xff broken \xe2\x82\n", "\ufffd broken \ufffd"),
        (b"long\n" * END_BYTES + b"the end\n", "the end"),
    ],
)
def test_the_last_line_that_says_anything_is_found(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "log.txt").write_bytes(content)
    assert last_line(tmp_path / "log.txt") == found


def test_no_log_says_nothing(tmp_path: Path) -> None:
    assert last_line(tmp_path / "log.txt") == ""
