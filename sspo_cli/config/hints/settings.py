"""A setting or a value that there is not -> the words that say what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sspo_cli.config.hints.choices import fix_choice, fix_unlike, squashed
from sspo_cli.config.hints.tables import MAIN_KEYS, SETTINGS, VALUES
from sspo_cli.config.locate import groups
from sspo_cli.config.reference import below, explained, meaning_of

LONGEST = 20  # values of a range that a line can list
MANY = 3  # settings of the same last name that a line can name
TIMES = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hours": 3600, "hour": 3600, "d": 86400}
LETTERS = {"k": 1_000, "m": 1_000_000}
TRUE, FALSE = ("yes", "y", "on", "1", "enabled"), ("no", "n", "off", "0", "disabled")


def fix_key(key: str, value: str | None, known: Iterable[str]) -> str:
    """What to write for KEY=VALUE where KEY is no setting, such as optim.lr=1e-5; "" if that cannot be told.

    known: the settings that the command takes.
    """
    shown = "VALUE" if value is None else value
    if value is not None and key.rpartition(".")[2] in VALUES:
        shown = fix_value(key, value, (), "") or value
    whole = key.lower().replace("-", "_").strip("_")
    last = whole.rpartition(".")[2].rpartition("/")[2]
    for group in groups():
        if whole == squashed_key(group) or whole == group.rpartition("/")[2]:
            return (fix_choice(group, shown) or fix_unlike(group, shown) if value else "") or f"{group}={shown}"
    template = SETTINGS.get(whole) or (SETTINGS.get(last) if "." in whole else None)
    if template:
        group = template.removesuffix("={}")
        wanted = (fix_choice(group, shown) or fix_unlike(group, shown)) if group in groups() and value else ""
        return wanted or template.format(shown)
    same = [other for other in known if other.rpartition(".")[2] == last and "." in other]
    return " or ".join(f"{other}={shown}" for other in same) if 0 < len(same) <= MANY else ""


def squashed_key(group: str) -> str:
    """A group's name as an option could have it: objective_gate."""
    return group.replace("/", "_")


def advice(fix: str) -> str:
    """`fix` as what to do, where it is words to write and not a sentence."""
    return f"write {fix}" if re.match(r"[\w./]+=|`", fix) else fix


def explained_fix(fix: str) -> str:
    """`fix`, with what the setting means where it is one: optim.lr=1e-5 (the learning rate, after warm-up)."""
    key, equals, value = fix.partition("=")
    meaning = meaning_of(key) if equals and not re.search(r"\s", value) else ""
    return f"{fix} ({meaning})" if meaning else fix


def fix_section(key: str, value: str) -> str:
    """What to write where a section of settings was given one value."""
    names = [item.key.removeprefix(f"{key}.") for item in below(key) if item.key.startswith(f"{key}.")]
    main = f"{key}.{MAIN_KEYS.get(key)}"
    fits = main in explained() and (as_number(value, "") is not None or value in explained()[main].allowed.split(", "))
    wish = f"write {main}={value}; " if fits else ""
    return f"is a section of settings; {wish}it has {', '.join(names)}"


def fix_value(key: str, value: object, allowed: Sequence[str], wanted: str) -> str:
    """The value to write for KEY in place of `value`; "" if that cannot be told.

    allowed: the words that the key takes, if they are few. wanted: the kind of value, as pydantic names its problem.
    """
    text, last = str(value).strip().lower(), key.rpartition(".")[2]
    if (found := VALUES.get(last, {}).get(text.replace("-", "_"))) and found != text:
        return found
    if last == "device" and re.fullmatch(r"(cuda|gpu):?\d+", text):
        return "cuda"
    if same := [word for word in allowed if squashed(word) == squashed(text)]:
        return same[0]
    if wanted.startswith("int") and (several := several_values(value)):
        return f"{several} with `sspo compare` or `sspo sweep`"
    if "bool" in wanted:
        return "true" if text in TRUE else "false" if text in FALSE else ""
    if "list" in wanted:
        return f"[{value}]"
    number = as_number(text, last)
    if number is None or not wanted.startswith(("int", "float")):
        return ""
    if wanted.startswith("int") and number != int(number):
        return ""
    return f"{number:.0f}" if number == int(number) else f"{number:g}"


def several_values(value: object) -> str:
    """The words of a list of whole numbers, or of a range such as 1-3; "" of anything else."""
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    found = re.fullmatch(r"(\d{1,9})\s*(?:-|\.\.|to)\s*(\d{1,9})", str(value).strip())
    if found is None or not 0 < int(found[2]) - int(found[1]) < LONGEST:
        return ""
    return ",".join(str(number) for number in range(int(found[1]), int(found[2]) + 1))


def as_number(text: str, name: str) -> float | None:
    """A number that was written with a unit, a percent sign or thousands: 10k, 5%, 1h, 1_000."""
    found = re.fullmatch(r"([+-]?[\d._]*\d(?:e[+-]?\d+)?)\s*([a-z%]*)", text)
    if found is None or found[1].count(".") > 1:
        return None
    number, unit = float(found[1].replace("_", "")), found[2]
    if not unit:
        return number
    if unit == "%":
        return number / 100
    if name.endswith(("_minutes", "_s")) and unit in TIMES:
        return number * TIMES[unit] / (60 if name.endswith("_minutes") else 1)
    return number * LETTERS[unit] if unit in LETTERS else None
