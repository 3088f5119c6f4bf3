"""What `sspo eval TARGET` evaluates, and with which configuration."""

from __future__ import annotations

import re
from pathlib import Path

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.hints.choices import fix_choice
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import EvalConfig, HubModel, LocalModel
from sspo_cli.config.wording import show_value
from sspo_cli.config.words import quoted
from sspo_cli.runs import folder as runs
from sspo_cli.runs.find import SEE_RUNS, holder_of_runs
from sspo_cli.runs.status import read_state

ONE_PROCESS = ("engine.kind=single", "engine.processes=1")  # whatever the run had


def settings_for(target: str, overrides: list[str]) -> EvalConfig:
    """The run's own configuration where there is one, else conf/eval.yaml with the model that `target` names.

    Raises:
        ConfigError: if `target` is no run, checkpoint, model folder, GGUF file or choice of conf/model.
    """
    path = Path(target)
    if target in groups()["model"]:
        return load_config(EvalConfig, [f"model={target}", *overrides])
    if path.is_file() and path.suffix.lower() == ".gguf":
        return load_config(EvalConfig, ["model=local", f"model.path={quoted(target)}", *overrides])
    if not path.is_dir():
        raise ConfigError(
            [
                f"{target}: no such run, model folder or model choice; runs are folders such as outputs/train/NAME"
                f"{of_hub(target)}"
            ]
        )
    checkpoint = path
    run_folder = run_of(path)
    if run_folder is None and not is_model(path):
        neither = "is neither a run (it has no config.yaml) nor a model (it has no config.json)"
        raise ConfigError([f"{target}: {holder_of_runs(path) or f'{neither}; {SEE_RUNS}'}"])
    if run_folder is None:
        return load_config(EvalConfig, ["model=local", f"model.path={quoted(str(path))}", *overrides])
    if run_folder == path:
        saved = runs.checkpoints(path)
        if not saved:
            raise ConfigError([f"{target}: the run has no checkpoint yet (status: {read_state(path)})"])
        checkpoint = saved[-1]
    other = any(word.startswith("model=") for word in overrides)  # another model on the problems of the run
    model = [] if other else ["model=local", f"model.path={quoted(str(checkpoint))}"]
    return load_config(EvalConfig, [*model, "name=null", *ONE_PROCESS, *overrides], base=run_folder / "config.yaml")


def unused_template(target: str, settings: EvalConfig) -> list[str]:
    """A line for each setting of the run's chat template that another model is evaluated without.

    The checkpoints of a run hold its template. Another model renders the prompts by its own.
    """
    run = run_of(Path(target))
    model = settings.model
    if run is None or (isinstance(model, LocalModel) and is_within(Path(model.path), run)):
        return []
    before = load_config(EvalConfig, [], base=run / "config.yaml").model
    if not isinstance(before, LocalModel | HubModel):
        return []
    typed = [f"model.chat_template={before.chat_template}"] if before.chat_template else []
    typed += [f"model.template_args.{name}={show_value(value)}" for name, value in before.template_args.items()]
    advice = ""
    if isinstance(model, LocalModel | HubModel):
        if model.chat_template or model.template_args:
            return []
        advice = "; add it to use it here too"
    return [f"{word}: is a setting of the run and is not used with another model{advice}" for word in typed]


def is_within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def of_hub(target: str) -> str:
    """How a model of the hub is evaluated, to append to a problem with `target`; "" if it cannot be one."""
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", target):
        return ""
    choice = fix_choice("model", target).partition("model=")[2]
    words = choice if choice in groups()["model"] else f"hub model.path={target}"
    return f"; a model of the hub is evaluated with `sspo eval {words}`"


def is_model(folder: Path) -> bool:
    """Whether a folder may hold a model or adapters; what it lacks is told when it is read."""
    return any(next(folder.glob(name), None) for name in ("*config.json", "*.safetensors", "*.gguf", "tokenizer*"))


def run_of(path: Path) -> Path | None:
    """The run that `path` is, or is a checkpoint of."""
    return next((folder for folder in (path, *path.absolute().parents[:2]) if runs.is_run(folder)), None)


def stem_of(settings: EvalConfig) -> str:
    """A readable name for the folder of the evaluation: of a checkpoint, with that of its run before it."""
    name = settings.choices["model"]
    if isinstance(settings.model, LocalModel):
        model = Path(settings.model.path).absolute()
        run = run_of(model)
        name = f"{runs.title(run)}-{model.name}" if run else model.stem if model.is_file() else model.name
    return re.sub(r"[^\w.\-]", "_", f"{name}-{settings.choices['dataset']}")
