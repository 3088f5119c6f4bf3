"""What a machine lends to sspo: each check looks at one thing and says what mends it."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from sspo_cli.config.schema import WandbTracker
from sspo_cli.runs.folder import can_hold_a_folder, free_space, nearest

State = Literal["ok", "warning", "problem"]
GIB = 1024**3
OLDEST_PYTHON = (3, 11)
LITTLE_MEMORY_GIB, LITTLE_DISK_GIB = 4, 10
HUB_WITHIN_S = 2.0
OFFLINE_FLAGS = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
# Extras of the package, the module of each, and what it is for.
EXTRAS: Mapping[str, tuple[str, str]] = {
    "gguf": ("gguf", "model.path=FILE.gguf"),
    "qlora": ("bitsandbytes", "model.quantize=nf4"),
    "reasoning-gym": ("reasoning_gym", "dataset=reasoning_gym"),
    "tensorboard": ("tensorboard", "tracker=tensorboard"),
    "trackio": ("trackio", "tracker=trackio"),
    "slurm": ("submitit", "hydra/launcher=submitit_slurm"),
}


@dataclass(frozen=True)
class Finding:
    """What was found of one thing. fix: what to do about it, "" where it is ok."""

    name: str
    state: State
    found: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Every check, in order. The hub is asked meanwhile, HUB_WITHIN_S at most."""
    hub = Asked(hub_answer)
    yield python()
    yield from torch_and_device()
    yield memory()
    yield disk("disk for runs", Path("outputs"), "set output_dir=FOLDER to another disk")
    yield from cache()
    yield hub_finding(hub)
    yield from wandb()
    yield from extras()


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "problem", version, "install Python 3.11 or later")
    return Finding("python", "ok", f"{version} ({sys.prefix})")


def torch_and_device() -> Iterator[Finding]:
    """The version of torch, and the device that engine.device=auto takes."""
    try:
        import torch
    except Exception as error:  # a broken installation raises anything
        yield Finding("torch", "problem", f"cannot be imported: {error}".split("\n")[0], "pip install torch")
        return
    yield Finding("torch", "ok", str(torch.__version__))
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        found = f"{names}, {free / GIB:.0f} of {total / GIB:.0f} GiB free on the first"
        yield Finding("device", "ok", f"cuda: {found}; {'bfloat16' if torch.cuda.is_bf16_supported() else 'float32'}")
    elif shutil.which("nvidia-smi"):
        fix = "install the build of torch for your driver (pytorch.org/get-started), or set engine.device=cpu"
        yield Finding("device", "warning", "cpu: nvidia-smi is here, but torch sees no GPU", fix)
    else:
        yield Finding("device", "ok", f"cpu: {os.cpu_count()} cores, {torch.get_num_threads()} threads; no GPU")


def memory() -> Finding:
    """Memory that can be had now, where the system tells it."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024 / GIB
        total = int(lines["MemTotal"].split()[0]) * 1024 / GIB
    except (OSError, KeyError, ValueError):
        return Finding("memory", "ok", "not told by this system")
    found = f"{free:.1f} of {total:.1f} GiB free"
    if free < LITTLE_MEMORY_GIB:
        fix = "close other programs; `sspo train --dry-run` says how much a run needs"
        return Finding("memory", "warning", found, fix)
    return Finding("memory", "ok", found)


def disk(name: str, folder: Path, fix: str) -> Finding:
    """Space where `folder` is or will be, and whether it can be written."""
    place = nearest(folder)
    if not can_hold_a_folder(place):
        return Finding(name, "problem", f"cannot write to {place.absolute()}", fix)
    free = free_space(folder) / GIB
    found = f"{free:.1f} GiB free in {place.absolute()}"
    return Finding(name, "warning", found, fix) if free < LITTLE_DISK_GIB else Finding(name, "ok", found)


def cache() -> Iterator[Finding]:
    """Where models and data sets of the hub are kept."""
    from huggingface_hub import constants

    yield disk("hub cache", Path(constants.HF_HUB_CACHE), "export HF_HOME=FOLDER on another disk")


class Asked:
    """A question that is asked in a thread, so that an answer that never comes is not waited for."""

    def __init__(self, question: Callable[[], str | None]) -> None:
        self.answer = f"no answer within {HUB_WITHIN_S:g} s"
        self.asking = threading.Thread(target=lambda: self.keep(question()), daemon=True)
        self.asking.start()

    def keep(self, answer: str | None) -> None:
        self.answer = answer or ""

    def why_not(self) -> str:
        """What is wrong, "" for nothing."""
        self.asking.join(HUB_WITHIN_S)
        return self.answer


def offline_flags() -> list[str]:
    return [f"{name}={os.environ[name]}" for name in OFFLINE_FLAGS if os.environ.get(name, "0") not in ("", "0")]


def hub_answer() -> str | None:
    """Why the hub cannot be reached; None if it can, or if a flag says that it is not asked."""
    from huggingface_hub import constants

    if offline_flags():
        return None
    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=HUB_WITHIN_S):
            return None
    except urllib.error.HTTPError:
        return None  # it answered
    except (OSError, ValueError) as error:
        return f"cannot be reached: {getattr(error, 'reason', error)}"


def hub_finding(hub: Asked) -> Finding:
    """Whether models and data sets can be downloaded, and with whose rights."""
    from huggingface_hub import constants, get_token

    if flags := offline_flags():
        names = " ".join(flag.partition("=")[0] for flag in flags)
        fix = f"unset {names}, to download models and data sets"
        return Finding("hub", "warning", f"{' '.join(flags)}: only what is in the cache is found", fix)
    if why := hub.why_not():
        fix = "download on a machine with a network (`hf download OWNER/NAME`), then use model=local model.path=FOLDER"
        return Finding("hub", "warning", f"{constants.ENDPOINT} {why}", fix)
    login = "logged in" if get_token() else "not logged in; gated models need `hf auth login`"
    return Finding("hub", "ok", f"{constants.ENDPOINT} answers; {login}")


def wandb() -> Iterator[Finding]:
    """Whether tracker=wandb can start."""
    if find_spec("wandb") is None:
        yield Finding("wandb", "warning", "not installed", "pip install wandb, for tracker=wandb")
        return
    from sspo_cli.trackers.wandb import check, mode_of

    section = WandbTracker(kind="wandb", project="sspo", mode=None)
    if problems := check(section):
        fix = "wandb login; or set tracker.mode=offline"
        yield Finding("wandb", "warning", problems[0].partition("; ")[0], fix)
    else:
        yield Finding("wandb", "ok", f"{metadata.version('wandb')}, {mode_of(section)}")


def extras() -> Iterator[Finding]:
    """Optional packages: what is missing is told with the command that brings it."""
    for extra, (module, purpose) in EXTRAS.items():
        if find_spec(module) is None:
            yield Finding(extra, "warning", f"not installed; only {purpose} needs it", f"pip install 'sspo[{extra}]'")
        else:
            yield Finding(extra, "ok", f"installed, for {purpose}")
