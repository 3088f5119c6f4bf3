"""Runs a Python program in a real terminal, from this folder, so that it can import what lies beside it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;\dm]")
LIMIT_S = 300  # a program that waits for an answer is killed
NEUTRAL = ("PATH", "LANG", "PYTHONPATH", "SYSTEMROOT")


def in_terminal(program: str, columns: int, home: Path, **environment: str) -> tuple[int, str]:
    """The exit status of `program` and everything its terminal of `columns` columns received."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    kept = {name: os.environ[name] for name in NEUTRAL if name in os.environ}
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=Path(__file__).parent,
        env=kept | {"TERM": "xterm-256color", "HOME": str(home), "PYTHONIOENCODING": "utf-8"} | environment,
        start_new_session=True,
    )
    os.close(follower)
    hung = threading.Timer(LIMIT_S, child.kill)
    hung.start()
    received = b""
    while chunk := read(leader):
        received += chunk
    os.close(leader)
    hung.cancel()
    return child.wait(), received.decode()


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


def lines(output: str) -> list[str]:
    """What was drawn from the left edge, stroke by stroke, without control sequences and blank strokes."""
    return [stroke for stroke in re.split(r"[\r\n]+", CONTROL.sub("", output)) if stroke.strip()]
