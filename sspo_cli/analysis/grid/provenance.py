"""Where the figures come from: what the configurations differ in, versions, hardware, the command."""

from __future__ import annotations

from sspo_cli.analysis.grid.cells import Grid, Point, plain
from sspo_cli.config.tree import leaves
from sspo_cli.runs.folder import command_of

# Keys that tell runs apart without changing what they are; whether prompts differ, their hash tells.
OF_THE_RUN = ("seed", "name", "output_dir", "prompt_time")


def config_differences(grid: Grid, points: list[Point]) -> dict[str, list[str]]:
    """Every key in which the configurations of these points differ, with the value under each; "" where there is none.

    Of each point the first cell that has a configuration speaks.
    """
    found = [dict(leaves(next((cell.config for cell in grid.at(point) if cell.config), {}))) for point in points]
    keys = dict.fromkeys(key for config in found for key in config)
    values = {key: [plain(config[key]) if key in config else "" for config in found] for key in keys}
    return {key: row for key, row in values.items() if len(set(row)) > 1 and key not in OF_THE_RUN}


def environment(grid: Grid) -> dict[str, str]:
    """Versions, hardware and code of the cells: one value for each where all agree, else every one."""
    found: dict[str, list[str]] = {}
    for cell in grid.cells:
        manifest = cell.manifest
        git = manifest.get("git") or {}
        facts = {
            **{f"hardware.{key}": value for key, value in manifest.get("hardware", {}).items()},
            **manifest.get("versions", {}),
            "git commit": f"{git['commit'][:12]}{'' if git['clean'] else ', with changes'}" if git else None,
        }
        for name, value in facts.items():
            if value is not None and str(value) not in found.setdefault(name, []):
                found[name].append(str(value))
    return {name: " / ".join(values) for name, values in found.items() if values}


# Hashes that runs of one seed share, but for axes under these keys.
CONTENTS = {
    "evaluation_problems": ("dataset", "eval."),
    "prompt_tokens": ("dataset", "eval.", "model", "prompt_time"),
    "initial_weights": ("model", "lora."),
}


def unequal_starts(grid: Grid) -> list[str]:
    """What the runs of one seed do not share, by the hashes of their manifests, though no axis asks for it."""
    found = []
    for name, axes in CONTENTS.items():
        if any(key.startswith(axes) for key in grid.varied):
            continue
        of_seed: dict[int, set[str]] = {}
        for cell in grid.cells:
            if cell.counts and name in cell.manifest.get("hashes", {}):
                of_seed.setdefault(cell.seed, set()).add(cell.manifest["hashes"][name])
        if any(len(hashes) > 1 for hashes in of_seed.values()):
            found.append(name.replace("_", " "))
    return found


def command(grid: Grid) -> str | None:
    """What made the grid."""
    return command_of(grid.folder)
