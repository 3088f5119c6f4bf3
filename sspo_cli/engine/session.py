"""One run from its configuration to its folder: what `sspo train`, every cell of a grid and a notebook use.

from sspo_cli import Session, train_config

with Session(train_config("objective=sspo", "train.steps=20")) as session:
    outcome = session.train()
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from sspo_cli import __version__
from sspo_cli.build import function_reward
from sspo_cli.config.compose import to_dict, to_yaml, with_prompt_time
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.schema import FunctionRewardSection, LocalModel, TrainConfig
from sspo_cli.engine.checkpoint import Best
from sspo_cli.engine.fingerprint import fingerprints, of_reward
from sspo_cli.engine.loop import Loop
from sspo_cli.engine.memory import memory_told
from sspo_cli.engine.observer import Observer, Observers
from sspo_cli.engine.parts import Beginning, TrainParts, load_parts
from sspo_cli.engine.signals import stop_request
from sspo_cli.engine.world import OneProcess, World, agreed, lost_ranks_told
from sspo_cli.evaluation.evaluate import metric_names
from sspo_cli.guards import GuardStop, OutOfMemory, RankLost, SamplerLost
from sspo_cli.metrics import metric
from sspo_cli.models.base import to_json
from sspo_cli.models.source import resolved, settle
from sspo_cli.rewards.base import Rewarder, RewardError
from sspo_cli.runs import folder as runs
from sspo_cli.runs import format as run_format
from sspo_cli.runs.alarms import run_alarms
from sspo_cli.runs.further import way_on
from sspo_cli.runs.lock import hold
from sspo_cli.runs.manifest import write_manifest
from sspo_cli.runs.metric_rows import read_metrics
from sspo_cli.runs.standing import mark
from sspo_cli.runs.status import status_after
from sspo_cli.runs.summary import RunSummary, summarise_run
from sspo_cli.trackers.mirror import check_tracker, open_tracker

OK, FAILED, GUARDED, INTERRUPTED = 0, 1, 3, 130


def keep_best_problems(config: TrainConfig) -> list[str]:
    """What is wrong with train.keep_best, which names a metric of evaluations with a better end."""
    asked = config.train.keep_best
    allowed = sorted(name for name in metric_names(config.eval.samples) if metric(name).better)
    if asked is None or asked in allowed:
        return []
    return [f"train.keep_best={asked}: no such metric{did_you_mean(asked, allowed)} (allowed: {', '.join(allowed)})"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended. code: the exit code. status: as in STATUS. summary: as in summary.json; None on a rank that does
    not write."""

    code: int
    status: str
    summary: RunSummary | None


@dataclass(frozen=True)
class Continued:
    """A run that goes on. folder: its own, held by the caller. began: what it stood on when it began."""

    folder: Path
    checkpoint: Path
    began: Beginning

    @property
    def step(self) -> int:
        return int(self.checkpoint.name.removeprefix("step_"))


class Session:
    """A training run: its parts are loaded and checked, and its folder is made and held, inside the `with` block.

    reward: a function of (prompt, response, answer) in the place of config.reward, of which reward.on_error and
    reward.special_tokens stay; it runs in this process. correct: what makes its responses correct, as reward.correct.
    folder: where the run is written, instead of a new folder under config.output_dir. words: the overrides, and
    command: the whole command, that led to the configuration, for the folder. continued: the run to go on with.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        reward: Callable[..., Any] | None = None,
        correct: str | float | None = None,
        folder: Path | str | None = None,
        words: Sequence[str] = (),
        command: Sequence[str] | None = None,
        continued: Continued | None = None,
        world: World | None = None,
    ) -> None:
        self.world = world or OneProcess()
        self.make_rewarder: Callable[[], Rewarder] | None = None
        if reward is not None:
            name = getattr(reward, "__name__", type(reward).__name__)
            kept = config.reward
            section = FunctionRewardSection(
                kind="function",
                name=name,
                correct=correct,
                on_error=kept.on_error,
                special_tokens=kept.special_tokens,
            )
            config = replace(config, reward=section, choices={**config.choices, "reward": "function"})
            self.make_rewarder = partial(function_reward, reward, section)
        self.config = self.world.gather([with_prompt_time(config)])[0]
        self.asked = Path(folder) if folder is not None else None
        self.words = list(words)
        self.command = command
        self.continued = continued
        self.open = ExitStack()
        self.outcome: Outcome | None = None
        self.loaded: TrainParts | None = None
        self.folder = continued.folder if continued else Path()
        self.made: Path | None = None
        self.refused = False
        self.state: Literal["new", "entered", "trained", "over"] = "new"

    @property
    def parts(self) -> TrainParts:
        if self.loaded is None:
            self.load()
        assert self.loaded is not None
        return self.loaded

    @property
    def first_step(self) -> int:
        """Steps that are done already."""
        return self.continued.step if self.continued else 0

    def check(self) -> None:
        """Check what needs no model: the tracker, and where the run goes; `load` does it too.

        Raises:
            ConfigError: with everything that is wrong.
        """
        agreed(self.world, lambda: self.check_request() if self.writes else None)

    @property
    def writes(self) -> bool:
        """Whether this rank writes the folder."""
        return self.world.rank == 0

    def check_request(self) -> None:
        config = self.config
        if self.world.size > config.batch.prompts:
            raise ConfigError(
                [f"engine: {self.world.size} ranks for batch.prompts={config.batch.prompts}; start fewer"]
            )
        problems = check_tracker(config.tracker, self.continued.folder if self.continued else None)
        problems += keep_best_problems(config)
        if self.continued is None and self.asked is None:
            problems += runs.name_problems(config.output_dir, "train", config.name, way_on)
        elif self.continued is None and self.asked is not None:
            problems += runs.folder_problems(self.asked, config.name)
        if problems:
            raise ConfigError(problems)

    def load(self, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Load and check everything; `with` does it where it has not been done. progress: is told how many of how many
        prompts are encoded.

        Raises:
            ConfigError: with everything that is wrong; nothing has been written then.
            OutOfMemory: naming the keys to change.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a session needs the main thread, which alone hears Ctrl-C")
        self.check()
        with memory_told(self.config):
            self.loaded = agreed(self.world, lambda: self.load_here(progress))
        if self.world.size > 1:
            self.check_ranks()

    def load_here(self, progress: Callable[[int, int], None]) -> TrainParts:
        if self.continued is None:
            return load_parts(self.config, reward=self.make_rewarder, progress=progress)
        return load_parts(self.config, self.continued.checkpoint, self.continued.began, progress=progress)

    def check_ranks(self) -> None:
        """Check that all ranks have loaded the same.

        Raises:
            ConfigError: naming the rank, and what is another there.
        """
        parts = self.parts
        found = {"version": __version__, **fingerprints(parts.policy, parts.dataset, parts.base, self.config)}
        first, *others = self.world.gather([found])
        problems = [
            f"rank {rank}: its {name.replace('_', ' ')} is not that of rank 0; give all the same code, model and data"
            for rank, other in enumerate(others, start=1)
            for name in first
            if other.get(name) != first[name]
        ]
        if problems:
            raise ConfigError(problems)

    def __enter__(self) -> Self:
        if self.state != "new":
            raise RuntimeError("a session is entered once; make another one for another run")
        self.state = "entered"
        self.open.callback(self.parts.close)
        try:
            if self.continued is None:
                agreed(self.world, lambda: self.begin() if self.writes else None)
                self.folder = self.world.gather([self.folder])[0]
        except BaseException as error:
            self.refused = isinstance(error, ConfigError)
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writes and self.state == "entered" and self.continued is None and self.folder != Path():
            runs.set_status(self.folder, status_after(error) if error else "failed: it was left before it trained")
        self.state = "over"
        self.open.close()
        if self.refused and self.made is not None and not (self.made / "metrics.jsonl").exists():
            shutil.rmtree(self.made)  # refused before it measured anything

    def begin(self) -> None:
        """Make the folder, hold it, and describe the run in it."""
        self.folder = self.make_folder()
        self.open.enter_context(hold(self.folder))
        self.describe()

    def make_folder(self) -> Path:
        if self.asked is not None:
            run_format.begin(self.asked, "train")
            return self.asked
        choices = self.config.choices
        stem = f"{choices['objective']}-{choices['dataset']}-s{self.config.seed}"
        self.made = runs.create_folder(self.config.output_dir, "train", self.config.name, stem)
        return self.made

    def describe(self) -> None:
        """Everything the folder says about the run before its first step."""
        replay = ["sspo", "train", "--config", str(self.folder.absolute() / "config.yaml")]
        runs.write_request(self.folder, to_yaml(self.config), self.words, list(self.command or replay))
        write_manifest(self.folder, self.config.seed, str(self.parts.policy.device), self.standing())
        (self.folder / "checkpoints").mkdir()
        if isinstance(model := settle(self.config.model), LocalModel):
            mark(Path(model.path), self.folder)

    def standing(self) -> dict[str, Any]:
        """What the run stands on, for its manifest: settings, and the content of everything that it reads."""
        parts, config = self.parts, self.config
        return {
            "settings": to_dict(config),
            "hashes": fingerprints(parts.policy, parts.dataset, parts.base, config),
            "reward_files": of_reward(config.reward),
            "model": asdict(resolved(config.model)),
            "base": to_json(parts.base, self.folder) if parts.base else None,
            "changes": [],
        }

    def train(self, observers: Sequence[Observer] = (), parent: int | None = None) -> Outcome:
        """Train to the end, or until somebody asks to stop, and leave the folder complete, however it ends.

        parent: a process without which the run stops and saves.

        Raises:
            ConfigError: if the rewards cannot be used, or the tracker cannot start.
            RuntimeError: outside of the `with` block, or if it has trained already.
        """
        if self.state != "entered":
            reason = "has trained already" if self.state == "trained" else "trains inside its `with` block"
            raise RuntimeError(f"a session {reason}; make another one for another run")
        self.state = "trained"
        watching = Observers(observers)
        code, status = FAILED, "failed"
        loop = None
        try:
            tracker = agreed(self.world, self.open_tracker)
            watching = Observers([*observers, *tracker])
            with stop_request(parent) as stop, memory_told(self.config), lost_ranks_told():
                self.set_status("running")
                loop = Loop(self.config, self.parts, self.folder, watching, self.world, stop)
                if self.continued is not None:
                    loop.resume(self.continued.checkpoint)
                code, status = (OK, "done") if loop.run() else (INTERRUPTED, "interrupted")
        except RewardError as error:
            code, status = FAILED, f"failed: {error}"
            if self.writes:
                runs.write_reward_error(self.folder, error.to_json())
        except (OutOfMemory, RankLost, SamplerLost) as error:
            code, status = FAILED, f"failed: {error}"
            if loop is not None:
                loop.free()
        except GuardStop as stopped:
            code, status = GUARDED, f"failed: {stopped}"
        except KeyboardInterrupt:
            code, status = INTERRUPTED, "interrupted"
        except BaseException as error:
            status, self.refused = status_after(error), isinstance(error, ConfigError)
            raise
        finally:
            self.set_status(status)
            watching.close(code)
            if self.writes and not self.refused:
                seconds = loop.progress.seconds if loop else 0.0
                best = loop.progress.best if loop else None
                self.outcome = Outcome(code, status, self.summarise(status, seconds, best))
        return self.outcome or Outcome(code, status, None)

    def open_tracker(self) -> Sequence[Observer]:
        return open_tracker(self.config.tracker, self.folder, to_dict(self.config)) if self.writes else []

    def set_status(self, status: str) -> None:
        if self.writes:
            runs.set_status(self.folder, status)

    def summarise(self, status: str, seconds: float, best: Best | None) -> RunSummary:
        """Write summary.json."""
        rows = read_metrics(self.folder)
        return summarise_run(
            self.folder,
            status=status,
            seconds=seconds,
            seed=self.config.seed,
            objective=self.config.choices["objective"],
            warnings={**self.parts.rewarder.notes, **run_alarms(rows, self.config)}.values(),
            best_checkpoint=f"checkpoints/{runs.checkpoint_name(best['step'])}" if best else None,
        )
