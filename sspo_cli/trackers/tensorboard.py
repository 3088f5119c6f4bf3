"""TensorBoard: event files in the run folder; no account and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspo_cli.trackers.base import COLUMNS, Entry, Target
from sspo_cli.trackers.memory import NO_STEP, Memory, home

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True)
class TensorboardSink:
    """writer: of the event file of this session."""

    writer: SummaryWriter
    folder: Path

    def held(self, step: int) -> int:
        return step  # every step is flushed

    def send(self, entry: Entry) -> None:
        for name, value in entry.values.items():
            self.writer.add_scalar(name, value, entry.step)
        if entry.samples:
            self.writer.add_text("samples", "\n\n".join(map(as_markdown, entry.samples)), entry.step)
        self.writer.flush()

    def close(self, exit_code: int) -> list[str]:
        self.writer.close()
        return [f"see the curves with `tensorboard --logdir {self.folder}`"]


def as_markdown(sample: Sequence[Any]) -> str:
    """A sample as indented code, which Markdown leaves as it is."""
    lines = [f"{name}: {value}" for name, value in zip(COLUMNS, sample, strict=True)]
    return "\n".join(f"    {line}" for line in "\n".join(lines).split("\n"))


def open_tensorboard(target: Target, memory: Memory) -> TensorboardSink:
    from torch.utils.tensorboard import SummaryWriter

    folder = home(target.folder, "tensorboard")
    # What a session wrote that was killed before it could remember it is shown once.
    purge = None if memory.step == NO_STEP else memory.step + 1
    return TensorboardSink(SummaryWriter(str(folder), purge_step=purge), folder)
