"""`${...}` in a configuration: what it may read, how it is refused, and how `${` itself is written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from sspo_cli.config.compose import as_written, load_config, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.literal import escaped, unescaped
from sspo_cli.config.schema import EvalConfig, TrainConfig
from sspo_cli.config.words import quoted
from sspo_cli.runs.settings import read_settings
from sspo_cli.study.files import CellFiles, mapping
from sspo_cli.study.launcher import read_hydra
from sspo_cli.study.plan import read_plan

SECRET = "hunter2-secret"
NOT_READABLE = "environment variable MY_TOKEN cannot be read from a configuration"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_TOKEN", SECRET)
    monkeypatch.setenv("SLURM_JWT", SECRET)
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    monkeypatch.delenv("SCRATCH", raising=False)
    return tmp_path


def refusal(*words: str, base: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_config(TrainConfig, words, base=base)
    assert SECRET not in str(raised.value)
    return raised.value.problems


@pytest.mark.parametrize(
    "value",
    [
        "${oc.env:MY_TOKEN}",
        "${oc.env:MY_TOKEN,other}",
        "a${oc.env:MY_TOKEN}b",
        "${oc.decode:${oc.env:MY_TOKEN}}",
        "${oc.create:{a:${oc.env:MY_TOKEN}}}",
        "${oc.create:{a:'${oc.env:MY_TOKEN}'}}",
        "${oc.select:nope,${oc.env:MY_TOKEN}}",
        "${oc.env:HOME,${oc.env:MY_TOKEN}}",
    ],
)
@pytest.mark.parametrize("key", ["output_dir", "seed", "model.layers"])
def test_a_variable_that_is_not_listed_is_refused_with_its_key_and_name(key: str, value: str) -> None:
    (line,) = refusal("model=scratch", f'{key}="{value}"')
    assert line.startswith(f"{key}={value}: {NOT_READABLE}") and "allowed: CUDA_VISIBLE_DEVICES, HF_HOME, HOME" in line


def test_its_name_may_come_from_elsewhere() -> None:
    found = refusal("name=MY_TOKEN", 'output_dir="${oc.env:${name}}"', "tracker.project=${output_dir}")
    assert found[0].startswith("output_dir=${oc.env:${name}}: " + NOT_READABLE)
    assert found[1].startswith("tracker.project=${output_dir}: ") and len(found) == 2


def test_every_refusal_is_told_with_every_other_problem() -> None:
    words = ["output_dir=${oc.env:MY_TOKEN}", "objective.gate.name=${oc.env:SLURM_JWT}", "seed=${nope}"]
    found = refusal(*words, "train.steps=none", "optim.lr=-1")
    keys = ["seed=${nope}", "output_dir=${oc.env", "objective.gate.name=${oc.env", "train.steps=none", "optim.lr=-1"]
    assert [line.split(":")[0] for line in found] == keys
    assert "interpolation key 'nope' not found; write a literal ${ as \\${" in found[0]
    assert "environment variable SLURM_JWT cannot be read" in found[2]


def test_listed_variables_are_read() -> None:
    config = load_config(TrainConfig, ["output_dir='${oc.env:HOME}/${oc.env:SCRATCH,none}/${oc.env:SLURM_JOB_ID}'"])
    assert config.output_dir == f"{Path.home()}/none/42"
    (line,) = refusal("output_dir=${oc.env:SCRATCH}")
    assert line.startswith("output_dir=${oc.env:SCRATCH}: environment variable SCRATCH is not set; a default helps: ")


FILES = {
    "a value": (
        "conf/preset/mine.yaml", "# @package _global_\noutput_dir: ${oc.env:MY_TOKEN}\n", "preset=mine", "output_dir",
    ),
    "a nested value": (
        "conf/objective/mine.yaml", "defaults: [sspo]\ngate: {tau_pos: '${oc.env:MY_TOKEN}'}\n", "objective=mine",
        "objective.gate.tau_pos",
    ),
    "a choice": (
        "conf/objective/mine.yaml", "defaults:\n  - sspo\n  - override gate: ${oc.env:MY_TOKEN}\n", "objective=mine",
        "objective=mine: defaults",
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", FILES)
def test_files_of_the_users_read_no_more(home: Path, where: str) -> None:
    name, text, word, key = FILES[where]
    file = home / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    (line,) = refusal(word)
    assert line.startswith(key) and NOT_READABLE in line
    if where != "a choice":
        assert SECRET not in str(as_written(word)), "`sspo show` resolves nothing"


def test_a_configuration_from_elsewhere_reads_no_more(home: Path) -> None:
    content = yaml.safe_load(to_yaml(load_config(TrainConfig, [])))
    content["output_dir"], content["eval"]["samples"] = "${oc.env:MY_TOKEN}", "${oc.env:SLURM_JWT}"
    file = home / "foreign.yaml"
    file.write_text(yaml.safe_dump(content))
    assert {line.split("=")[0] for line in refusal(base=file)} == {"output_dir", "eval.samples"}
    file.write_text("name: ${\n")
    assert refusal(base=file)[0].startswith(f"{file}: name: ")
    file.write_text("name: one\n")
    assert refusal(base=file) == [f"{file}: has no choices; give the config.yaml of a run"]


@pytest.mark.parametrize(
    "words",
    [
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=${oc.env:MY_TOKEN}"],
        ["hydra/launcher=submitit_slurm", "hydra.launcher.name=${oc.env:MY_TOKEN}"],
        ["hydra/launcher=submitit_slurm", "+hydra.launcher.additional_parameters.comment=${oc.env:MY_TOKEN}"],
    ],
)
def test_launchers_read_no_more(words: list[str]) -> None:
    with pytest.raises(ConfigError, match=NOT_READABLE) as raised:
        read_hydra("compare", words)
    assert "hydra.launcher." in str(raised.value) and SECRET not in str(raised.value)
    allowed = ["hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=${oc.env:SLURM_JOB_ID}"]
    assert read_hydra("compare", allowed)[0].cpus == 42


def test_axes_of_a_grid_read_no_more() -> None:
    with pytest.raises(ConfigError, match=NOT_READABLE) as raised:
        read_plan("sweep", ["train.steps=1,${oc.env:MY_TOKEN}", "sweep.metric=${oc.env:MY_TOKEN}"], [])
    assert SECRET not in str(raised.value)


def test_other_programs_in_the_process_read_what_they_want() -> None:
    with pytest.raises(ConfigError):
        load_config(TrainConfig, ["name=${oc.env:MY_TOKEN}"])
    assert OmegaConf.create({"own": "${oc.env:MY_TOKEN}"}).own == SECRET


def test_every_text_survives_being_written_down() -> None:
    draw = random.Random(0)
    for _ in range(5000):
        text = "".join(draw.choice("\\\\${}a'\": ,\n5.") for _ in range(draw.randint(0, 9)))
        written = escaped({"key": [text]})
        assert OmegaConf.to_container(OmegaConf.create(written), resolve=True) == {"key": [text]}
        assert unescaped(written) == {"key": [text]}


@pytest.mark.parametrize("text", ["costs ${5}", "\\${5}", "\\\\${x}${y}", "${", "'${a}'\\", "${oc.env:MY_TOKEN}"])
def test_a_literal_is_read_back_as_it_was(home: Path, text: str) -> None:
    config = load_config(TrainConfig, [f"output_dir={quoted(text)}"])
    assert config.output_dir == text
    (home / "config.yaml").write_text(to_yaml(config))
    assert load_config(TrainConfig, [], base=home / "config.yaml") == config
    assert load_config(EvalConfig, [], base=home / "config.yaml").output_dir == text
    assert read_settings(home / "config.yaml")[1]["output_dir"] == text
    assert (CellFiles(home).settings or {})["output_dir"] == text == mapping(home / "config.yaml")["output_dir"]


def test_the_way_to_write_a_literal_that_is_told_is_one() -> None:
    (line,) = refusal("output_dir='a${5}'")
    assert line.endswith(r"write a literal ${ as \${, in quotes on the command line")
    assert load_config(TrainConfig, [r"output_dir='a\${5}'"]).output_dir == "a${5}"
    (line,) = refusal("output_dir='a${5'")
    assert line.startswith("output_dir=a${5: ") and r"\${" in line
