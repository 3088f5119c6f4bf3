"""Which of Hydra's launchers starts the cells, how many at once, and how they share the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError, InterpolationResolutionError, OmegaConfBaseException

from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.interpolation import listed_variables_only, reason
from sspo_cli.config.locate import shipped, user_conf
from sspo_cli.plural import count

GROUP = "hydra/launcher"


@dataclass(frozen=True)
class Launcher:
    """What the user's words say. chosen: whether they name a launcher. jobs: at once, cpus: of each, 0 if not set."""

    words: list[str]
    name: str
    chosen: bool
    jobs: int
    cpus: int


@dataclass(frozen=True)
class Launch:
    """words: for Hydra. at_once: cells that run together, 0 where a cluster decides. threads: CPU threads of each, 0
    where nothing is to be divided. gpus: that cells take in turns, each one of its own."""

    words: list[str]
    at_once: int
    threads: int
    gpus: int

    def __str__(self) -> str:
        """How the cells share the machine, in words that follow others."""
        share = f", {count(self.threads, 'CPU thread')} each" if self.threads else ""
        return f", {self.at_once} at once{share}" if self.at_once else f", as many at once as the cluster gives{share}"


def search_path() -> list[str]:
    """The word that lets Hydra find the user's ./conf."""
    own = user_conf()
    return [f"hydra.searchpath=[file://{own}]"] if own else []


@listed_variables_only()
def read_hydra(root: str, words: Sequence[str]) -> tuple[Launcher, list[str]]:
    """The launcher that `words` ask for, and the axes that conf/ROOT.yaml has for a grid, as words.

    Raises:
        ConfigError: if there is no such launcher, or it has no such setting.
    """
    with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
        named = [word.partition("=")[2] for word in words if word.startswith(f"{GROUP}=")]
        check_name(named)
        try:
            hydra = compose(root, overrides=[*words, *search_path()], return_hydra_config=True).hydra
            node = cast(dict[str, Any], OmegaConf.to_container(hydra.launcher, resolve=True))
            axes = [f"{key}={value}" for key, value in (hydra.sweeper.params or {}).items()]
        except (InterpolationResolutionError, GrammarParseError) as error:
            raise ConfigError([f"{' '.join(words)}: {error.full_key}: {reason(error)}"]) from error
        except (HydraException, OmegaConfBaseException) as error:
            said = str(error).strip().splitlines()[0].rstrip(".")
            hint = f"; choose a launcher too, such as {GROUP}=joblib" if not named and "Could not" in said else ""
            raise ConfigError([f"{' '.join(words)}: {said}{hint}"]) from error
    name = str(hydra.runtime.choices[GROUP])
    return Launcher(list(words), name, bool(named), whole(node, "n_jobs"), whole(node, "cpus_per_task")), axes


def check_name(named: Sequence[str]) -> None:
    known = GlobalHydra.instance().config_loader().get_group_options(GROUP)
    for name in named:
        if name not in known:
            slurm = "; submitit comes with: pip install 'sspo[slurm]'" if name.startswith("submitit") else ""
            raise ConfigError(
                [f"{GROUP}={name}: unknown launcher{did_you_mean(name, known)} (allowed: {', '.join(known)}{slurm})"]
            )


def whole(node: dict[str, Any], key: str) -> int:
    return max(0, int(node.get(key) or 0))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share(launcher: Launcher, cells: int, gpus: int) -> Launch:
    """How `cells` cells run: one on each GPU or processor, unless the user says otherwise."""
    places = gpus or cores()
    name = launcher.name if launcher.chosen else "joblib" if min(cells, places) > 1 else "basic"
    if name == "basic":
        return Launch(launcher.words, 1, 0, 0)
    if name == "joblib":
        jobs = launcher.jobs or min(cells, places)
        own = [word for word in launcher.words if not word.startswith((f"{GROUP}=", "hydra.launcher.n_jobs="))]
        words = [f"{GROUP}=joblib", f"hydra.launcher.n_jobs={jobs}", *own]
        return Launch(words, jobs, max(1, cores() // jobs), gpus)
    if name == "submitit_local":
        return Launch(launcher.words, cells, launcher.cpus or max(1, cores() // cells), gpus)
    return Launch(launcher.words, 0, launcher.cpus, 0)
