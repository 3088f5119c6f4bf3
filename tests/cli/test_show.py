"""`sspo show` tells every choice, and of one choice what it sets and why."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sspo_cli.build import calibrated
from sspo_cli.config.catalogue import settings_of
from sspo_cli.config.locate import groups
from sspo_cli.metrics import METRICS
from sspo_cli.views.picture import write_picture
from tests.cli.conftest import Sspo, Write

pytestmark = pytest.mark.slow


MINE = """# Mine, half way between two.
#
# J = a formula
defaults:
  - sspo
  - override gate: erf
pool: arithmetic   # tried on a Tuesday
gate:
  tau_pos: 3.0     # small steps
"""


def test_without_a_word_every_choice_of_every_group_is_listed_with_its_first_line(sspo: Sspo) -> None:
    shown = sspo("show")
    assert shown.returncode == 0
    for group, names in groups().items():
        section = shown.stdout.split(f"\n{group}\n")[1] if f"\n{group}\n" in shown.stdout else shown.stdout
        listed = [line.split()[0] for line in section.split("\n\n")[0].split("\n") if line.startswith("  ")]
        assert listed == names
    assert (
        "Soft Sequence Policy Optimization: soft token gates inside a sequence-level importance weight." in shown.stdout
    )
    assert "@package" not in shown.stdout


def test_a_group_alone_lists_its_choices(sspo: Sspo) -> None:
    listing = json.loads(sspo("show", "objective/gate", "--json").stdout)
    assert list(listing) == ["objective/gate"]
    assert listing["objective/gate"]["identity"] == {"about": "f(r) = r: no trust region.", "yours": False}


def test_an_objective_is_told_with_formula_paper_reductions_and_the_source_of_each_setting(sspo: Sspo) -> None:
    shown = sspo("show", "objective", "sspo").stdout
    assert "J = 1/N sum_i A_i * (prod_t f(r_it))^(1/T_i)" in shown
    assert "arXiv 2602.19327" in shown
    assert "Reduces to: GMPO with objective/gate=log_clip" in shown
    rows = {line.split()[0]: line for line in shown.split("\n") if line.startswith("objective.")}
    assert rows["objective.gate.tau_pos"].split()[1] == "10.0"
    assert "gate study" in rows["objective.gate.tau_pos"]
    assert rows["objective.pool"].split()[1] == "geometric"
    assert "the geometric mean over tokens" in rows["objective.pool"]


def test_values_and_sources_follow_the_defaults_of_a_users_file(sspo: Sspo, write: Write) -> None:
    write("conf/objective/mine.yaml", MINE)
    shown = json.loads(sspo("show", "objective", "mine", "--json").stdout)
    settings = {row["key"]: (row["value"], row["source"]) for row in shown["settings"]}
    assert shown["yours"] is True
    assert shown["about"].split("\n") == ["Mine, half way between two.", "", "J = a formula"]
    assert settings["objective.pool"] == ("arithmetic", "tried on a Tuesday")
    assert settings["objective.gate.name"] == ("erf", "")
    assert settings["objective.gate.tau_pos"] == (3.0, "small steps")
    assert settings["objective.gate.tau_neg"][0] == 12.0
    assert settings["objective.gate.tau_neg"][1].startswith("best of the gate study")
    assert settings["objective.advantage"] == ("group_zscore", "as GRPO (inferred)")


def test_a_users_choice_is_marked_in_the_list_and_in_full(sspo: Sspo, write: Write) -> None:
    write("conf/objective/mine.yaml", MINE)
    line = next(line for line in sspo("show", "objective").stdout.split("\n") if line.startswith("  mine"))
    assert line.split() == ["mine", "(yours)", "Mine,", "half", "way", "between", "two."]
    assert "yours: conf/objective/mine.yaml" in sspo("show", "objective", "mine").stdout


def test_every_shipped_choice_can_be_told(sspo: Sspo) -> None:
    for group, names in groups().items():
        for name in names:
            settings = settings_of(group, name, [], calibrated)
            assert all(row.value is not None or row.key for row in settings)
            assert settings or (group, name) == ("preset", "none"), f"{group}={name} sets nothing"


def test_a_setting_that_the_user_must_give_is_said_in_words(sspo: Sspo) -> None:
    shown = sspo("show", "model", "local").stdout
    assert "(you must set it)" in shown
    row = next(line.split() for line in shown.split("\n") if line.startswith("model.template_args"))
    assert row[1] == "{}" and "template" in row, "an empty mapping is a setting too"


def test_a_preset_shows_the_settings_it_lays_over_the_others(sspo: Sspo) -> None:
    settings = json.loads(sspo("show", "preset", "smoke", "--json").stdout)["settings"]
    assert {"key": "train.steps", "value": 2, "source": ""} in settings


def test_a_pipe_gets_whole_lines_and_no_colour(sspo: Sspo) -> None:
    shown = sspo("show", "objective", "sspo", COLUMNS="40").stdout
    assert "…" not in shown and "\x1b" not in shown
    assert any("gate study (arXiv 2602.19345) found best" in line for line in shown.split("\n"))


def test_unknown_names_are_answered_with_the_closest_and_the_allowed(sspo: Sspo) -> None:
    group = sspo("show", "objectiv")
    name = sspo("show", "objective", "ssp")
    assert (group.returncode, name.returncode) == (2, 2)
    assert group.stderr.startswith("sspo: objectiv: no group, choice, setting or metric has this name, did you mean")
    assert name.stderr.startswith("sspo: objective=ssp: unknown choice, did you mean 'sspo'?")
    assert "gmpo, gpg, grpo, gspo, gspo_token" in name.stderr
    assert len(name.stderr.splitlines()) == 1 and name.stdout == ""


def settings(sspo: Sspo, *words: str) -> dict[str, tuple[object, str]]:
    shown = json.loads(sspo("show", *words, "--json").stdout)
    return {row["key"]: (row["value"], row["source"]) for row in shown["settings"]}


def test_what_conf_train_says_of_every_objective_is_the_source_unless_the_file_says_otherwise(sspo: Sspo) -> None:
    found = settings(sspo, "objective", "scopic")
    assert found["objective.entropy_coef"] == (
        0.0,
        "how much a bonus on the entropy of each token's distribution weighs; 0: no bonus",
    )
    assert found["objective.kl.estimator"][1].startswith("estimate of the KL: k1: -log r")
    assert found["objective.kl.coef"] == (1.0, "Scopic, Atari")
    level = found["objective.correction.level"][1]
    assert level.startswith("what is weighed by trainer / sampler: none: ratios start from") and level.endswith(
        "computed before the first update"
    )
    assert found["objective.correction.cap"] == (2.0, "the largest weight of a token or a sequence; null: no limit")


def test_several_choices_are_told_one_after_the_other(sspo: Sspo) -> None:
    told = sspo("show", "objective/gate", "erf", "clip")
    assert told.stdout.index("objective/gate=erf") < told.stdout.index("\n\nobjective/gate=clip\n")
    listed = json.loads(sspo("show", "objective/gate", "erf", "clip", "--json").stdout)
    assert [choice["name"] for choice in listed] == ["erf", "clip"]


def test_overrides_change_what_is_shown_and_are_named_as_its_source(sspo: Sspo) -> None:
    words = ["objective", "sspo", "objective/gate=erf", "objective.gate.tau_pos=5", "objective.pool=arithmetic"]
    found = settings(sspo, *words)
    assert found["objective.gate.name"] == ("erf", "command line")
    assert found["objective.gate.tau_pos"] == (5.0, "command line")
    assert found["objective.gate.tau_neg"] == (
        12.0,
        "best of the gate study (arXiv 2602.19345) for every gate it tried",
    )
    assert found["objective.pool"] == ("arithmetic", "command line")
    told = sspo("show", *words).stdout
    assert told.startswith("objective=sspo objective/gate=erf objective.gate.tau_pos=5 objective.pool=arithmetic\n")
    assert "Here with objective/gate=erf: f(r) = 1 + sqrt(pi/2)/tau" in told


def test_a_calibrated_gate_shows_the_temperatures_that_were_solved(sspo: Sspo) -> None:
    """log_arctan has the multiplier 1 / (1 + (tau l)^2): one half at tau = 1/l."""
    words = ["objective", "sspo", "objective.gate.calibrate={at: 1.2, multiplier: 0.5}"]
    found = settings(sspo, *words)
    tau = pytest.approx(1 / math.log(1.2))
    assert found["objective.gate.tau_pos"] == (tau, "from calibrate: multiplier 0.5 at ratio 1.2")
    assert found["objective.gate.tau_neg"] == (tau, "from calibrate: multiplier 0.5 at ratio 0.8333")
    assert found["objective.gate.calibrate.at"] == (1.2, "command line")
    row = next(line for line in sspo("show", *words).stdout.split("\n") if "gate.tau_pos" in line)
    assert row.split()[:4] == ["objective.gate.tau_pos", "5.48481", "from", "calibrate:"]


def test_a_saturation_is_solved_too_and_a_users_comment_beside_it_is_its_source(sspo: Sspo, write: Write) -> None:
    write("conf/objective/mine.yaml", "defaults: [sspo]\ngate:\n  calibrate: {low: 0.8, high: 1.3}  # as clipping\n")
    found = settings(sspo, "objective", "mine")
    solved = pytest.approx(math.pi / 2 / math.log(1.3), rel=1e-2)
    assert found["objective.gate.tau_pos"] == (solved, "from calibrate: saturation at 1.3")
    assert found["objective.gate.calibrate.low"] == (0.8, "as clipping")


def test_the_picture_is_drawn_in_a_pipe_and_written_beside_the_runs(sspo: Sspo, tmp_path: Path) -> None:
    drawn = sspo("show", "objective", "sspo", "grpo", "ppo_clip", "scopic", "--plot")
    assert (drawn.returncode, drawn.stderr) == (0, "")
    *lines, path = drawn.stdout.splitlines()
    assert path == "outputs/show/objective-sspo-grpo-ppo_clip-scopic.svg"
    assert max(map(len, lines)) <= 100 and "\x1b" not in drawn.stdout
    table = [line.split() for line in lines[1:4]]
    assert table[0] == ["a", "sspo", "token", "0.855", "to", "1.17", "0.878", "to", "1.14"]
    assert table[1] == ["b", "grpo,", "ppo_clip", "token", "0", "to", "1.2", "0.8", "to", "∞"]
    for title in ("gate value", "token multiplier"):
        assert sum(f"{title}, A > 0" in line and f"{title}, A < 0" in line for line in lines) == 1
    assert any("⣀" in line for line in lines) and "not drawn: the KL penalty of scopic" in lines
    text = " ".join(ElementTree.parse(tmp_path / path).getroot().itertext())
    for words in ("sspo", "grpo, ppo_clip", "scopic", "token multiplier"):
        assert words in text


def test_a_picture_is_never_overwritten_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("outputs/show")
    assert write_picture(b"one", "objective-sspo", None) == folder / "objective-sspo.svg"
    assert write_picture(b"two", "objective-sspo", None) == folder / "objective-sspo-2.svg"
    assert write_picture(b"one", "objective-sspo", None) == folder / "objective-sspo.svg"
    assert [file.read_bytes() for file in sorted(folder.iterdir())] == [b"two", b"one"]


def test_a_named_file_is_written_once_and_refused_for_another_picture(sspo: Sspo, tmp_path: Path) -> None:
    file = tmp_path / "paper/lens.svg"
    assert sspo("show", "objective", "sspo", "--plot", "--out", "paper/lens.svg").returncode == 0
    content = file.read_bytes()
    refused = sspo("show", "objective", "grpo", "--plot", "--out", "paper/lens.svg")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "sspo: --out paper/lens.svg: exists and is never overwritten; choose another name\n"
    assert file.read_bytes() == content and sorted(tmp_path.rglob("*.svg")) == [file]


def test_a_users_objective_is_drawn_and_all_are_where_none_is_named(sspo: Sspo, write: Write) -> None:
    write("conf/objective/mine.yaml", "defaults: [grpo]\ngate:\n  eps_high: 0.5\n")
    drawn = sspo("show", "objective", "--plot", PYTHONIOENCODING="ascii")
    assert drawn.returncode == 0 and drawn.stdout.isascii()
    rows = {line[3:27].strip(): line[38:].split("  ")[0] for line in drawn.stdout.splitlines()[1:14]}
    assert rows["mine"] == "0 to 1.5" and rows["dr_grpo, grpo, ppo_clip"] == "0 to 1.2"
    assert drawn.stdout.splitlines()[-1] == "outputs/show/objective.svg"


def test_the_curves_as_json(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo("show", "objective", "grpo", "gspo_token", "objective.kl.coef=0.1", "--plot", "--json")
    content = json.loads(done.stdout)
    assert list(content["objectives"]) == ["grpo", "gspo_token"] and list(tmp_path.iterdir()) == []
    grpo = content["objectives"]["grpo"]
    assert grpo["ratio_of"] == "token" and content["objectives"]["gspo_token"]["ratio_of"] == "sequence"
    assert grpo["positive"]["weight"] == [0, pytest.approx(1.2)]
    assert grpo["negative"]["weight"] == [pytest.approx(0.8), None]
    for ratio, gate, multiplier in zip(
        content["ratio"], grpo["positive"]["gate"], grpo["positive"]["multiplier"], strict=True
    ):
        assert gate == pytest.approx(min(ratio, 1.2))
        assert multiplier == pytest.approx(ratio if ratio < 1.2 else 0)


MISTAKES = [
    (["model", "tiny", "--plot"], "--plot: only objectives are drawn"),
    (["--plot"], "--plot: only objectives are drawn"),
    (["objective", "sspo", "--out", "a.svg"], "--out: names the picture that --plot draws"),
    (["objective", "sspo", "--plot", "--json", "--out", "a.svg"], "--out: names the picture that --plot draws"),
    (["model", "tiny", "seed=1"], "'seed=1': only the settings of a named objective"),
    (["objective", "objective.pool=arithmetic"], "only the settings of a named objective"),
    (["objective", "sspo", "seed=1"], "'seed=1': not a setting of an objective"),
    (["objective", "sspo", "objective=grpo"], "'objective=grpo': not a setting of an objective"),
    (
        ["objective", "sspo", "grpo", "objective.poool=x"],
        "unknown key 'objective.poool', did you mean 'objective.pool'",
    ),
    (["objective", "grpo", "objective.gate.tau_pos=1", "--plot"], "unknown key 'objective.gate.tau_pos'"),
    (["objective", "sspo", "objective.gate.calibrate={at: 1.2}"], "missing key 'objective.gate.calibrate.multiplier'"),
    (["objective", "sspo", "objective.gate.calibrate={at: 1.2, multiplier: 2}"], "no tau gives"),
    (["objective", "sspo", "--plot", "--out", "/dev/null/a.svg"], "/dev/null/a.svg: cannot be written"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_clear_line(sspo: Sspo, tmp_path: Path, words: list[str], told: str) -> None:
    done = sspo("show", *words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("sspo: ") and told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_problems_of_several_objectives_are_all_told_and_each_once(sspo: Sspo) -> None:
    done = sspo("show", "objective", "sspo", "grpo", "objective.gate.tau_pos=0", "objective.pool=x")
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for key in ("objective.gate.tau_pos=0", "unknown key 'objective.gate.tau_pos'", "objective.pool=x"):
        assert sum(key in line for line in lines) == 1


def test_metrics_are_explained_and_bad_requests_are_a_line_each(sspo: Sspo) -> None:
    told = json.loads(sspo("show", "metric", "eval/pass@16", "reward/format", "--json").stdout)
    assert [(item["name"], item["label"], item["better"]) for item in told] == [
        ("eval/pass@16", "held-out pass@16", "higher"),
        ("reward/format", "mean of the reward part format", "higher"),
    ]
    assert len(sspo("show", "metric").stdout.splitlines()) == len(METRICS) + 1
    group = sspo("show", "metric", "ratio", "grad/").stdout.splitlines()
    assert len(group) == 1 + sum(item.name.startswith(("ratio/", "grad/")) for item in METRICS) > 8
    for words, said in (
        (["metric", "grad/nrom", "nope"], ["metric=grad/nrom: unknown metric, did you mean", "metric=nope: unknown"]),
        (["metric", "--plot"], ["--plot: only objectives are drawn"]),
        (["metrics"], ["metrics: no group, choice, setting or metric has this name, did you mean 'metric'?"]),
    ):
        refused = sspo("show", *words)
        assert refused.returncode == 2 and refused.stdout == ""
        lines = refused.stderr.splitlines()
        assert len(lines) == len(said) and all(f"sspo: {one}" in line for one, line in zip(said, lines, strict=True))


def test_a_name_of_one_group_is_shown_and_of_several_they_are_listed(sspo: Sspo) -> None:
    assert sspo("show", "grpo").stdout == sspo("show", "objective", "grpo").stdout
    assert sspo("show", "grpo", "sapo", "objective.pool=arithmetic", "--json").returncode == 0
    listed = json.loads(sspo("show", "hub", "--json").stdout)
    assert list(listed) == ["dataset", "model"] and all(list(names) == ["hub"] for names in listed.values())
    assert "One choice: sspo show dataset hub" in sspo("show", "hub").stdout


def test_settings_sections_and_metrics_are_shown_by_their_names(sspo: Sspo) -> None:
    told = sspo("show", "optim.lr").stdout.split("\n")
    assert told[0] == "optim.lr" and told[1].split("  ")[1].strip() == "The learning rate, after warm-up."
    assert "(by choice): `sspo show objective NAME` has" in sspo("show", "objective.gate.tau_pos").stdout
    for words in (["objective", "sspo"], ["train"], ["metric"], ["dataset", "file"]):
        piped = sspo("show", *words).stdout.splitlines()
        assert not [line for line in piped if line != line.strip()], "a table in a pipe is not padded"
    assert told[2].split() == ["default", "1e-05"] and told[3].split()[1:] == ["a", "number", "above", "0"]
    rows = [line.split()[0] for line in sspo("show", "train").stdout.splitlines()]
    assert rows[:3] == ["setting", "seed", "name"] and {"train.steps", "batch.epochs", "eval.samples"} <= set(rows)
    assert [item["key"] for item in json.loads(sspo("show", "objective.overlong", "--json").stdout)] == [
        "objective.overlong.penalty", "objective.overlong.buffer",
    ]  # fmt: skip
    assert sspo("show", "reward/errors").stdout == sspo("show", "metric", "reward/errors").stdout != ""
    assert "rollout.staleness" in sspo("show", "rollout").stdout
    assert sspo("show", "quickstart").stderr == (
        "sspo: quickstart: is a recipe; print it with `sspo recipe show quickstart`\n"
    )
