"""The objectives that every law is asked of, as a user would write them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import ObjectiveConfig, TrainConfig
from sspo_cli.laws.laws import Subject
from sspo_cli.objectives.objective import Objective


@dataclass(frozen=True)
class Variant:
    """An objective of conf/objective with overrides."""

    name: str
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = (word.replace("objective/", "").replace("objective.", "") for word in self.overrides)
        return ",".join([self.name, *words])


@cache
def subject(variant: Variant) -> Subject:
    words = [f"objective={variant.name}", *variant.overrides]
    return Subject.of(load_config(TrainConfig, words, rules=objective_problems).objective)


def config(variant: Variant) -> ObjectiveConfig:
    return subject(variant).config


def load(variant: Variant) -> Objective:
    return subject(variant).objective


def variants(names: str, *overrides: str) -> list[Variant]:
    """One variant for each of the names, all with the same overrides."""
    return [Variant(name, overrides) for name in names.split()]


NAMED = [Variant(name) for name in groups()["objective"]]
WITHOUT_SLOPE_ONE = ("constant", "gamma")
BOUNDED = ("identity", "clip", "clip_sequence", "log_clip", "cap")
GATES = [gate for gate in groups()["objective/gate"] if gate not in WITHOUT_SLOPE_ONE]
SOFT_GATES = [gate for gate in GATES if gate not in BOUNDED]
UNIT_GATES = [gate for gate in SOFT_GATES if gate != "sigmoid"]

CROSSED = [Variant(name, (f"objective/gate={gate}",)) for name in ("sspo", "sapo", "gspo") for gate in GATES]
ONE_SIDED = [
    Variant(name, (f"objective/gate={gate}", "objective.gate.one_sided=true"))
    for name in ("sspo", "sapo")
    for gate in UNIT_GATES
]
NORMALIZED = [
    Variant(name, (f"objective.normalize={normalize}",))
    for name in ("sspo", "grpo", "rloo")
    for normalize in ("token", "constant", "sum")
]
LEVELS = [
    Variant(name, (f"objective.ratio={ratio}",))
    for name in ("sspo", "sapo", "grpo", "gmpo")
    for ratio in ("sequence", "sequence_token", "product")
]
DUAL_CLIP = [
    *variants("grpo ppo_clip", "objective.gate.dual_clip=1.3"),
    *variants("rloo", "objective.gate.dual_clip=3"),
    *variants("sspo", "objective/gate=clip", "objective.gate.dual_clip=1.3"),
]
SCORE = [
    *(
        Variant(name, ("objective.form=score", *gate))
        for name in ("sspo", "grpo", "gspo", "gspo_token", "rloo")
        for gate in ((), ("objective/gate=constant",), ("objective/gate=gamma",), ("objective/gate=cap",))
    ),
    *variants("cispo", "objective.gate.cap=1.2"),
    *variants("vespo", "objective.pool=geometric"),
    *variants("cispo vespo", "objective.normalize=response"),
]
ICEPOP = ("objective.correction.mask.level=token", "objective.correction.mask.low=0.7")
CORRECTED = [
    *variants("grpo sapo gspo_token cispo vespo gpg", "objective.correction.level=token"),
    *variants("grpo sspo gspo gmpo rloo cispo", "objective.correction.level=sequence"),
    *variants("grpo", "objective.correction.level=token", "objective.correction.cap=1"),
    *variants("sspo", "objective.correction.level=sequence", "objective.correction.cap=5"),
    *variants("grpo sapo", "objective.correction.level=token", "objective.correction.floor=0.8"),
    *variants("sspo gmpo", "objective.correction.level=sequence", "objective.correction.floor=0.8"),
    *variants("vespo", "objective.correction.level=token", "objective.correction.floor=0.8"),
    *variants("grpo", "objective.correction.level=token", "objective.correction.cap=null"),
    *variants("grpo cispo", "objective.correction.mask.level=token"),
    *variants("grpo", "objective.correction.level=token", *ICEPOP),
    *variants("sspo gspo", "objective.correction.level=sequence", "objective.correction.mask.level=sequence"),
    *variants("dapo", "objective.correction.level=token", "objective.correction.mask.level=sequence_mean"),
    *variants("sspo", "objective.correction.mask.level=sequence_mean", "objective.correction.mask.low=0.9"),
    *variants("grpo sspo vespo", "objective.correction.mask_negative_above=0.1"),
    *variants("grpo", "objective.correction.level=token", "objective.correction.mask_negative_above=0.1"),
]
COEF = "objective.kl.coef=0.3"
PENALIZED = [
    *(
        Variant(name, (COEF, f"objective.kl.against={against}", f"objective.kl.estimator={estimator}"))
        for name, against, estimator in product(("grpo", "sspo"), ("old", "reference"), ("k1", "k2", "k3"))
    ),
    *variants("dapo dr_grpo reinforce rloo", COEF),
    *variants("scopic", "objective.kl.coef=0"),
    *variants("grpo", COEF, "objective.kl.place=reward"),
    *variants("grpo sspo dapo rloo sft", "objective.entropy_coef=0.2"),
    *variants("sspo", COEF, "objective.entropy_coef=0.2", "objective.correction.level=sequence"),
]
CALIBRATED = [
    *variants("sspo sapo", "objective/gate=log_arctan", "objective.gate.calibrate={at:1.2,multiplier:0.5}"),
    *variants("sapo", "objective.gate.calibrate={at:1.2,multiplier:0.5}"),
    *variants("sspo sapo", "objective/gate=erf", "objective.gate.calibrate={low:0.7,high:1.4}"),
]
TINY_TAU = [
    Variant(name, (f"objective/gate={gate}", "objective.gate.tau_pos=1e-4", "objective.gate.tau_neg=1e-4"))
    for name in ("sspo", "sapo")
    for gate in SOFT_GATES
    if gate != "arctan_log_ratio"
]
ALL = [
    *NAMED,
    *CROSSED,
    *ONE_SIDED,
    *NORMALIZED,
    *LEVELS,
    *DUAL_CLIP,
    *SCORE,
    *CORRECTED,
    *PENALIZED,
    *CALIBRATED,
    *TINY_TAU,
]
