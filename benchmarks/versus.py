"""The engine beside TRL: time, memory, and whether both did the same work."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from benchmarks.table import Results, Row, Table, of, spread, stood_on

# Standard errors between two mean response lengths that chance does not explain.
ERRORS_APART = 4


def scaled(job: Row, *phases: str) -> float:
    """Median seconds of `phases` together in a step of as many response tokens as the workload has on average."""
    workload = job["workload"]
    tokens = workload["mean_response_share"] * workload["max_response_length"]
    tokens *= workload["prompts"] * workload["samples_per_prompt"]
    seconds: float = statistics.median(
        sum(row[p] for p in phases) * tokens / row["response_tokens"] for row in job["rows"]
    )
    return seconds


def better_trl(result: Results) -> str:
    """TRL's configuration with the shorter median step."""
    return min(("trl", "trl static"), key=lambda name: statistics.median(scaled(j, "step_s") for j in of(result, name)))


def ratios(result: Results, phases: Sequence[str], our_phases: Sequence[str]) -> list[float]:
    """How many times as long TRL's better configuration takes, repetition by repetition."""
    pairs = zip(of(result, better_trl(result)), of(result, "sspo"), strict=True)
    return [scaled(theirs, *phases) / scaled(ours, *our_phases) for theirs, ours in pairs]


SIDES = ("sspo", "trl", "trl static")
# What is shown, the phases that make it up, and how many times as fast as TRL it was to be, if anything.
COMPARED: dict[str, tuple[list[str], float | None]] = {
    "rollout": (["rollout_s"], 3),
    "old log-probabilities": (["scoring_s"], None),
    "update": (["update_s"], None),
    "old log-probabilities and update": (["scoring_s", "update_s"], 2),
    "everything else": (["other_s"], None),
    "whole step": (["step_s"], 3),
}


def peer_tables(result: Results) -> list[Table]:
    rows = []
    for title, (phases, target) in COMPARED.items():
        times = [spread([scaled(job, *phases) for job in of(result, side)]) for side in SIDES]
        rows.append([title, *times, *([spread(ratios(result, phases, phases)), f"{target:g}"] if target else ["", ""])])
    lengths, peaks = [], []
    for side in SIDES:
        steps = [row for job in of(result, side) for row in job["rows"]]
        lengths.append(spread([row["response_tokens"] / row["responses"] for row in steps], "{:.1f}"))
        peaks.append(spread([job["peak_mib"] for job in of(result, side)], "{:.0f}"))
    rows += [["response tokens, mean", *lengths, "", ""], ["peak memory above imports, MiB", *peaks, "", ""]]
    workload, best = of(result, "sspo")[0]["workload"], better_trl(result)
    asked = workload["prompts"] * workload["samples_per_prompt"]
    again = spread(ratios(result, ["scoring_s", "update_s"], ["extra_scoring_s", "update_s"]))
    words = [
        f"The table has seconds per step: the median of {len(of(result, 'sspo'))} repetitions, and their range. The "
        "times are scaled to the same number of response tokens. `ratio` is the time of TRL's better configuration "
        f"({best}) divided by ours, and `target` the ratio that we aimed at. A step has {workload['prompts']} prompts "
        f"x {workload['samples_per_prompt']} samples = {asked} responses of at most {workload['max_response_length']} "
        f"tokens, and {workload['updates']} updates with AdamW in float32. The objective is SAPO.",
        "Our ratios use the log-probabilities that the sampler stored. TRL computes them in an additional pass. If we "
        'compute them too (`objective.correction.level=token`), the ratio of the row "old log-probabilities and '
        f'update" is {again}.',
    ]
    header = ["phase", *SIDES, "ratio", "target"]
    return [Table("Against TRL's GRPOTrainer", header, rows, [*words, stood_on(result)])]


def memory_tables(result: Results) -> list[Table]:
    names = list(dict.fromkeys(job["name"] for job in result["jobs"]))
    peaks = {name: [job["peak_mib"] for job in of(result, name)] for name in names}
    rows = []
    for name in names:
        seconds = [row["update_s"] for job in of(result, name) for row in job["rows"]]
        rows.append([name, spread(peaks[name], "{:.0f}"), spread(seconds, "{:.1f}")])
    share, share_one = (
        statistics.median(peaks[f"sspo{how}"]) / statistics.median(peaks[f"trl{how}"]) for how in ("", ", one by one")
    )
    job = of(result, "sspo")[0]
    workload = job["workload"]
    words = (
        f"The table has the peak memory of the process (`ru_maxrss`), without the memory of its imports, over two "
        f"updates of {workload['samples_per_prompt']} x 512 tokens. The vocabulary has {workload['vocabulary']:,} "
        f"tokens; the model has {workload['layers']} layers of width {workload['hidden']}. In the first two rows both "
        f"libraries have their usual settings, and TRL makes one pass per update, as in the comparison above: our peak "
        f'is {share:.2f} of TRL\'s; the target was 0.33. In the last two rows ("one by one") every pass has one '
        f"sequence, by `engine.tokens_per_microbatch` here and by gradient accumulation in TRL: our peak is "
        f"{share_one:.2f} of TRL's. Weights, gradients and AdamW's moments are "
        f"{16 * job['parameters'] / 2**20:.0f} MiB in all four rows."
    )
    return [Table("Memory of an update", ["", "peak, MiB", "update, s"], rows, [words, stood_on(result)])]


def unequal_work(results: Results) -> list[str]:
    """In what the two sides of the comparison did not do the same work; nothing if they did."""
    if "peers" not in results:
        return []
    rows: dict[str, list[Row]] = {}
    for job in results["peers"]["jobs"]:
        rows.setdefault(job["name"], []).extend(job["rows"])
    problems = []
    for name in ("prompts_sha256", "responses", "prompt_tokens", "updates"):
        found = {side: sorted({row[name] for row in mine}) for side, mine in rows.items()}
        if len({str(values) for values in found.values()}) > 1 or any(len(values) > 1 for values in found.values()):
            problems.append(f"{name}: {found}")
    lengths = {side: mean_and_error(mine) for side, mine in rows.items()}
    ours, error = lengths.pop("sspo")
    for side, (theirs, their_error) in lengths.items():
        if abs(theirs - ours) > ERRORS_APART * math.hypot(error, their_error):
            problems.append(f"mean response length: sspo {ours:.1f}, {side} {theirs:.1f}")
    return problems


def mean_and_error(rows: Sequence[Row]) -> tuple[float, float]:
    """Mean length of the responses of all rollouts, and its standard error."""
    responses = sum(row["responses"] for row in rows)
    mean = sum(row["response_tokens"] for row in rows) / responses
    return mean, statistics.mean(row["response_tokens_sd"] for row in rows) / math.sqrt(responses)
