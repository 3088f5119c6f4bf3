"""What `sspo export` wrote."""

from __future__ import annotations

import json
from pathlib import Path

from sspo_cli.views.console import results


def print_export(checkpoint: Path, folder: Path, *, adapters: bool, as_json: bool) -> None:
    """The folder, and the line of Python that loads it."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if as_json:
        print(json.dumps({"checkpoint": str(checkpoint), "folder": str(folder), "bytes": size, "adapters": adapters}))
        return
    console = results()
    console.print(f"{checkpoint} -> {folder} ({size / 2**20:.1f} MiB)")
    console.print(f"AutoModelForCausalLM.from_pretrained('{folder.absolute()}')")
    if adapters:
        console.print(
            "these are adapters, loaded on their base where peft is installed; --merge makes one model of both"
        )
