"""`sspo show` tells every choice, and of one choice what it sets and why."""

from __future__ import annotations

import json

from sspo_cli.config.locate import groups

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


def test_without_a_word_every_choice_of_every_group_is_listed_with_its_first_line(sspo):
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


def test_a_group_alone_lists_its_choices(sspo):
    listing = json.loads(sspo("show", "objective/gate", "--json").stdout)
    assert list(listing) == ["objective/gate"]
    assert listing["objective/gate"]["identity"] == {"about": "f(r) = r: no trust region.", "yours": False}


def test_an_objective_is_told_with_formula_paper_reductions_and_the_source_of_each_setting(sspo):
    shown = sspo("show", "objective", "sspo").stdout
    assert "J = 1/N sum_i A_i * (prod_t f(r_it))^(1/T_i)" in shown
    assert "arXiv 2602.19327" in shown
    assert "Reduces to: GMPO with objective/gate=log_clip" in shown
    rows = {line.split()[0]: line for line in shown.split("\n") if line.startswith(" objective.")}
    assert rows["objective.gate.tau_pos"].split()[1] == "10.0"
    assert "gate study" in rows["objective.gate.tau_pos"]
    assert rows["objective.pool"].split()[1] == "geometric"
    assert "the geometric mean over tokens" in rows["objective.pool"]


def test_values_and_sources_follow_the_defaults_of_a_users_file(sspo, write):
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


def test_a_users_choice_is_marked_in_the_list_and_in_full(sspo, write):
    write("conf/objective/mine.yaml", MINE)
    line = next(line for line in sspo("show", "objective").stdout.split("\n") if line.startswith("  mine"))
    assert line.split() == ["mine", "(yours)", "Mine,", "half", "way", "between", "two."]
    assert "yours: conf/objective/mine.yaml" in sspo("show", "objective", "mine").stdout


def test_every_shipped_choice_can_be_told(sspo):
    from sspo_cli.commands.show import settings_of

    for group, names in groups().items():
        for name in names:
            settings = settings_of(group, name)
            assert all(row.value is not None or row.key for row in settings)
            assert settings or (group, name) == ("preset", "none"), f"{group}={name} sets nothing"


def test_a_setting_that_the_user_must_give_is_said_in_words(sspo):
    assert "(you must set it)" in sspo("show", "model", "local").stdout


def test_a_preset_shows_the_settings_it_lays_over_the_others(sspo):
    settings = json.loads(sspo("show", "preset", "smoke", "--json").stdout)["settings"]
    assert {"key": "train.steps", "value": 2, "source": ""} in settings


def test_a_pipe_gets_whole_lines_and_no_colour(sspo):
    shown = sspo("show", "objective", "sspo", COLUMNS="40").stdout
    assert "…" not in shown and "\x1b" not in shown
    assert any("gate study (arXiv 2602.19345) found best" in line for line in shown.split("\n"))


def test_unknown_names_are_answered_with_the_closest_and_the_allowed(sspo):
    group = sspo("show", "objectiv")
    name = sspo("show", "objective", "ssp")
    assert (group.returncode, name.returncode) == (2, 2)
    assert group.stderr.startswith("sspo: objectiv: unknown group, did you mean 'objective'?")
    assert name.stderr.startswith("sspo: objective=ssp: unknown choice, did you mean 'sspo'?")
    assert "gmpo, grpo, gspo, sapo, sft, sspo" in name.stderr
    assert len(name.stderr.splitlines()) == 1 and name.stdout == ""
