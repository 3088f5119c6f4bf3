"""Fills in the parts of a mixture: a user writes what differs from a dataset; here are all keys, and its reward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from sspo_cli.config.errors import did_you_mean
from sspo_cli.config.fitting import fitting_reward, section_of, usual_reward
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import RewardSection

MIXTURE = "mixture"
# Of all rewards of a mixture together: where and how long they run.
SHARED = tuple(item.name for item in fields(RewardSection))
Section = dict[str, Any]


def fill_parts(content: Section) -> Iterator[tuple[str, str]]:
    """Fill in dataset.parts and reward.parts of a configuration in place; every problem with its key.

    A part is a choice of conf/dataset: the one of its name, or of its key `dataset`; its other keys are laid over those
    of the choice. Its reward is what reward.parts or its key `reward` says, or else what fits the choice.
    """
    data, reward = content.get("dataset"), content.get("reward")
    if not isinstance(data, dict) or not isinstance(reward, dict) or data.get("kind") != MIXTURE:
        return
    parts = data.get("parts")
    if parts == "???":
        return
    if not isinstance(parts, dict) or not parts:
        yield "dataset.parts", f"dataset.parts={parts}: must be parts by name: {{gsm8k: {{weight: 2}}, addition: {{}}}}"
        return
    rewards: Section = {}
    for name, given in parts.items():
        key = f"dataset.parts.{name}"
        if given is not None and not isinstance(given, dict):
            yield key, f"{key}={given}: must be keys of this part, such as {{weight: 2}}, or {{}}"
            continue
        own = dict(given or {})
        choice = own.pop("dataset", own.get("kind", name))
        if problem := choice_problem("dataset", choice):
            where = "" if choice == name else f".dataset={choice}"
            hint = "" if given and "dataset" in given else f"; name its dataset with {key}.dataset=..."
            yield key, f"{key}{where}: {problem}{hint}"
            continue
        rewards[name] = own.pop("reward", fitting_reward(choice) or usual_reward(choice))
        if reward.get("kind") != MIXTURE and given and "reward" in given:
            yield key, f"{key}.reward: is read with reward=mixture alone"
        parts[name] = {"weight": 1.0, **section_of("dataset", choice), **own}
    if reward.get("kind") == MIXTURE:
        yield from fill_rewards(reward, rewards)


def fill_rewards(reward: Section, fitting: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fill in reward.parts; `fitting` is the reward of each part where the section has none."""
    given = reward.get("parts")
    if not isinstance(given, dict):
        yield "reward.parts", f"reward.parts={given}: must be rewards by part: {{mine: math}}"
        return
    for name in given.keys() - fitting.keys():
        hint = did_you_mean(name, fitting)
        yield f"reward.parts.{name}", f"reward.parts.{name}: no such part{hint} (there are: {', '.join(fitting)})"
    for name, usual in fitting.items():
        wanted = given.get(name, usual)
        own = dict(wanted) if isinstance(wanted, dict) else {"kind": wanted}
        choice = own.get("kind")
        if problem := choice_problem("reward", choice):
            yield f"reward.parts.{name}", f"reward.parts.{name}={choice}: {problem}"
            continue
        section = {key: value for key, value in section_of("reward", str(choice)).items() if key not in SHARED}
        given[name] = {**section, **own, "kind": section["kind"]}


def choice_problem(group: str, name: Any) -> str | None:
    """Why a part cannot be this choice of `group`."""
    known = [choice for choice in groups()[group] if section_of(group, choice).get("kind") != MIXTURE]
    if name in known:
        return None
    return f"unknown choice{did_you_mean(str(name), known)} (allowed: {', '.join(known)})"
