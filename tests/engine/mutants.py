"""Break the way from a prompt to its update on purpose and see who notices: `python -m tests.engine.mutants [words of a
label]`.

Beside the objectives, which tests/laws/mutants.py breaks: requests and groups, rewards and their workers, advantages,
micro-batches, staleness, evaluation. Each mutant is one edit of a copy of the package; the tests named for its file run
on the copy, in a process that has the libraries loaded. Prints the first test that fails. Exit code 1 if a mutant
survives, or if anything fails without one.
"""

# ruff: noqa: E501

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import pytest
import transformers  # noqa: F401  (loaded here once, for all mutants)

from tests.laws.mutants import UNCHANGED, Mutant, mutated

LIMIT_S = 300  # for one test: a mutant may never end

# By file: the tests that should notice, the quick ones first.
TESTS: dict[str, tuple[str, ...]] = {
    "sspo_cli/rollout/collect.py": ("tests/rollout/test_collect.py", "tests/engine/test_credit.py"),
    "sspo_cli/rollout/source.py": ("tests/rollout/test_source.py",),
    "sspo_cli/rollout/base.py": ("tests/rollout/test_collect.py", "tests/rollout/test_native.py"),
    "sspo_cli/rollout/native.py": ("tests/rollout/test_samplers.py", "tests/rollout/test_stops.py"),
    "sspo_cli/rollout/generate.py": ("tests/rollout/test_samplers.py", "tests/rollout/test_stops.py"),
    "sspo_cli/rollout/stops.py": ("tests/rollout/test_stops.py",),
    "sspo_cli/types.py": ("tests/rewards/test_rewards.py", "tests/engine/test_microbatch.py"),
    "sspo_cli/rewards/base.py": ("tests/rewards/test_rewards.py", "tests/rewards/test_pool.py"),
    "sspo_cli/rewards/pool.py": ("tests/rewards/test_pool.py",),
    "sspo_cli/engine/credit.py": ("tests/engine/test_credit.py",),
    "sspo_cli/engine/microbatch.py": (
        "tests/engine/test_microbatch.py",
        "tests/engine/test_update.py",
        "tests/engine/test_credit.py",
    ),
    "sspo_cli/engine/logprobs.py": ("tests/engine/test_microbatch.py", "tests/engine/test_credit.py"),
    "sspo_cli/engine/update.py": (
        "tests/engine/test_update.py",
        "tests/engine/test_credit.py",
        "tests/engine/test_ranks.py",
    ),
    "sspo_cli/engine/loop.py": ("tests/engine/test_loop.py",),
    "sspo_cli/engine/world.py": ("tests/engine/test_ranks.py",),
    "sspo_cli/models/shards.py": ("tests/engine/test_ranks.py",),
    "sspo_cli/evaluation/evaluate.py": ("tests/evaluation/test_figures.py",),
}

# By file: (label, text that stands once in the file, what to put in its place).
EDITS = {
    "sspo_cli/rollout/collect.py": [
        ("score of the next key", "scores[score.key] = score", "scores[list(problem_of)[len(scores)]] = score"),
        ("scores as they arrive", "[scores[key] for", "[scores.pop(next(iter(scores))) for"),
        ("completions as they arrive", "[completions[key] for", "[completions.pop(next(iter(completions))) for"),
        ("texts as they arrive", "[texts[key] for", "[texts.pop(next(iter(texts))) for"),
        ("graded as another problem", "yield key, problem_of[key], texts", "yield key, problems[0], texts"),
        ("keys of each round from 0", "numbers=range(place, place + len(problems))", "numbers=None"),
        ("step not in the key", "Key(stream, step, number, k)", "Key(stream, 0, number, k)"),
        ("training draws in evaluation", "Key(stream, step, number, k)", 'Key("train", step, number, k)'),
        ("context of another problem", "zip(keys, contexts, strict=True)", "zip(keys, contexts[::-1], strict=True)"),
        ("sampling stops too early", "P - sum(not group.tied for group in groups)", "P - len(groups)"),
        ("one more round than the limit", "config.objective.dynamic_sampling\n", "(config.objective.dynamic_sampling + 1)\n"),
        ("a whole batch in each round", "min(missing, limit - place)", "min(P, limit - place)"),
        ("one round's problems in all", "first_problem + place, min", "first_problem, min"),
        ("cursor ignored", "first_problem + place, min", "place, min"),
        ("tied groups kept first", "key=lambda place: groups[place].tied", "key=lambda place: not groups[place].tied"),
        ("kept without regard to ties", "key=lambda place: groups[place].tied", "key=lambda place: place"),
        ("kept groups out of order", "in sorted(live_first[:P])", "in live_first[:P]"),
        ("size of the parts ignored", "torch.tensor([self.largest_part], dtype=torch.float64)", "None"),
        ("largest part by its sign", "max((abs(value) for", "max((value for"),
        ("mean reward with the unscored", "float(reward_PG.nanmean())", "float(reward_PG.nan_to_num().mean())"),
        ("live groups told as dead", '"group/dead": sum(group.tied', '"group/dead": sum(not group.tied'),
        ("missing part left out", "score.parts.get(name, 0.0))]", "score.parts.get(name, math.nan))]"),
        ("errors told the other way round", "score.error is not None", "score.error is None"),
    ],
    "sspo_cli/rollout/source.py": [
        ("a step staler", "min(step + self.staleness,", "min(step + self.staleness + 1,"),
        ("a step fresher", "min(step + self.staleness,", "min(step + max(0, self.staleness - 1),"),
        ("rollouts beyond the last step", "min(step + self.staleness, self.last_step)", "step + self.staleness"),
        ("last step left out", "self.last_step) + 1", "self.last_step - 1) + 1"),
        ("newest first", "return self.waiting.popleft()", "return self.waiting.pop()"),
        ("cursor off by one", "self.collect(number, self.prompts)", "self.collect(number, self.prompts + 1)"),
        ("cursor stands still", "self.prompts += rollout.prompts", "self.prompts += 0"),
        ("cursor counts responses", "self.prompts += rollout.prompts", "self.prompts += len(rollout.trajectories)"),
        ("tokens of the last rollout", "tokens += rollout.tokens", "tokens = rollout.tokens"),
        ("cursor lost on resume", "self.waiting = prompts, deque", "self.waiting = 0, deque"),
        ("waiting rollouts lost on resume", "deque(waiting)", "deque()"),
    ],
    "sspo_cli/rollout/base.py": [
        ("evaluation draws by step", '"evaluation", *place)', '"evaluation", key.step, *place)'),
        ("training draws the same each step", '"rollout", key.step, *place)', '"rollout", *place)'),
        ("samples of a prompt draw the same", "place = (key.problem, key.sample)", "place = (key.problem,)"),
    ],
    "sspo_cli/rollout/stops.py": [
        ("a part of the text taken for all", " and self.completes(self.token_T)", ""),
        ("only the last tokens looked at", "[-self.reach :]", "[-2:]"),
        ("characters taken for bytes", "len(string.encode())", "1"),
        ("cut at the last string", "min(found)", "max(found)"),
        ("special token kept in part", '(rest if is_read else "")', "rest"),
        ("token before a string lost", '(rest if is_read else "")', '""'),
        ("stop token in the text", "token_T[:-1] if", "token_T if"),
    ],
    "sspo_cli/rollout/native.py": [
        ("tokens of before read as new", "drawn_L[: length - len(watch.token_T)]", "drawn_L"),
        ("tokens behind a string kept", "self.length[row], self.finished[row] = watch.length, True", "self.finished[row] = True"),
        ("a string told as the limit", " or (row.watch is not None and row.watch.length is not None)", ""),
        ("version not told", "version=row.version,\n", "version=0,\n"),
        ("version not kept", "self.policy, self.version = policy, version", "self.policy = policy"),
        ("weights not taken over", "self.policy, self.version = policy, version", "self.version = version"),
    ],
    "sspo_cli/rollout/generate.py": [
        ("a string in the padding", "min(length, string)", "string"),
        ("a string told as the limit", "length == string or ", ""),
        ("generate: version not told", "version=self.version,\n", "version=0,\n"),
    ],
    "sspo_cli/types.py": [
        ("largest part for the sum", "return sum(self.parts.values()) if", "return max(self.parts.values()) if"),
        ("no parts is zero", "if self.parts else math.nan", "if self.parts else 0.0"),
        ("context is trained", ">= len(context_S)", ">= len(context_S) - 1"),
    ],
    "sspo_cli/rewards/base.py": [
        ("NaN is correct", "isnan(total):\n            return False", "isnan(total):\n            return True"),
        ("a failed grader is correct", "Score(key, {}, False if", "Score(key, {}, True if"),
        ("a failed grader counts without an answer", "False if self.has_answer(problem) else None", "False"),
        ("no answer counts as wrong", "return Score(key, {}, None)", "return Score(key, {}, False)"),
        ("error not told", "else None, text)", "else None)"),
        ("a sum at the bound is wrong", "total >= self.correct", "total > self.correct"),
        ("a part at its bound is wrong", "parts.get(decisive, 0.0) >= FROM", "parts.get(decisive, 0.0) > FROM"),
        ("a missing part is right", "parts.get(decisive, 0.0) >=", "parts.get(decisive, 1.0) >="),
        ("any part decides", "decisive = self.correct or next(iter(self.names))", "decisive = next(iter(parts))"),
        ("a failed grader never stops", 'if self.on_error == "stop":', "if False:"),
        ("last check left out", "                yield self.judge.graded(item, found, remarks_of(self.function, problem))\n        self.judge.finish()", "                yield self.judge.graded(item, found, remarks_of(self.function, problem))"),
        ("infinite sums pass", '[*parts.items(), ("sum", sum(parts.values()))]', "[*parts.items()]"),
        ("several parts, none decides", "self.correct is None and len(self.names) > 1", "False"),
    ],
    "sspo_cli/rewards/pool.py": [
        ("ten times the time", "deadline = deadline_of(limit)", "deadline = deadline_of(limit and 10 * limit)"),
        ("answers unnumbered", 'if found.get("number") != self.number:', "if False:"),
        ("full memory kept", 'if found.get("memory"):\n', "if False:\n"),
        ("results of all batches together", "field(default_factory=SimpleQueue)", "SimpleQueue()"),
        ("a dropped batch is still graded", "batch.dropped = True", "batch.dropped = False"),
        ("a dropped batch keeps its workers", "if current is batch:\n", "if False:\n"),
        ("no second worker", "isinstance(failed, NotBegun) and not job.again", "False"),
        ("last check left out in the pool", "            self.judge.finish()\n", ""),
        ("remarks dropped", 'parts, found["remarks"])', "parts, ())"),
        ("changed files imported", "        if changed := sorted(", "        if changed := () and sorted("),
        ("one worker for all", "for number in range(workers)", "for number in range(1)"),
        ("error told without a name", 'Failure(f"{self.name} {failed}")', 'Failure(f"{failed}")'),
    ],
    "sspo_cli/engine/credit.py": [
        ("long responses rewarded", '= -overlong(', '= overlong('),
        ("kl rewarded", "= -kl_of_responses(", "= kl_of_responses("),
        ("shaping left out", "[objective.advantage](shaped_PG,", "[objective.advantage](reward_PG,"),
        ("shaping of another response", "added_BS.sum(1).reshape", "added_BS.sum(1).roll(1).reshape"),
        ("size_P left out", "(shaped_PG, size_P)", "(shaped_PG)"),
        ("advantage of another group", "(shaped_PG, size_P).flatten()", "(shaped_PG, size_P).roll(1, 0).flatten()"),
        ("advantage of another response", "(shaped_PG, size_P).flatten()", "(shaped_PG, size_P).roll(1, 1).flatten()"),
        ("responses compared across groups", "(shaped_PG, size_P).flatten()", "(shaped_PG.T, None).T.flatten()"),
        ("cursor counts the kept", "prompts=len(collected.groups)", "prompts=len(kept)"),
        ("tokens of the kept", "tokens=tokens_of(collected.groups)", "tokens=tokens_of(kept)"),
        ("metrics of the kept", "**metrics_of(collected.groups)", "**metrics_of(kept)"),
        ("errors of the kept", "errors_of(collected.groups)}", "errors_of(kept)}"),
        ("tied groups told as kept", "sum(not group.tied for group in kept)", "len(kept)"),
        ("buffer at the beginning", "(length_B - (max_response_length - buffer))", "(length_B - buffer)"),
        ("penalty without a bound", ".clamp(0, 1)", ".clamp(0)"),
        ("kl the other way round", "(reference_L - item.sampled_logp_L)", "(item.sampled_logp_L - reference_L)"),
        ("kl a mean", "[item.trained_L]).sum()", "[item.trained_L]).mean()"),
        ("kl without its coefficient", "return kl.coef * torch.stack(sums)", "return torch.stack(sums)"),
        ("kl of the prompt too", "(reference_L - item.sampled_logp_L)[item.trained_L]", "(reference_L - item.sampled_logp_L).nan_to_num(1.0)"),
        ("sampled for the trainer's", "trainer_logp_L=logp_L)", "trainer_logp_L=item.sampled_logp_L)"),
        ("the policy is its own reference", "shared_logprobs(reference_policy, found", "shared_logprobs(policy, found"),
        ("version dropped", "version=item.version", "version=0"),
        ("error dropped", "error=group.scores[k].error", "error=None"),
        ("text of another response", "response=group.texts[k]", "response=group.texts[0]"),
        ("solutions push away", "advantage=1.0", "advantage=-1.0"),
    ],
    "sspo_cli/engine/microbatch.py": [
        ("predictor off by one", "place_N - 1 + b", "place_N + b"),
        ("predictor in the first row", "place_N - 1 + b * token_BL.shape[1]", "place_N - 1"),
        ("mask shifted", "place_BN = [item.trained_L.nonzero()", "place_BN = [item.trained_L.roll(-1).nonzero()"),
        ("ids shifted", "[item.token_L[item.trained_L] for", "[item.token_L.roll(1)[item.trained_L] for"),
        ("padding read", "dtype=torch.bool) for place_N in place_BN], False)", "dtype=torch.bool) for place_N in place_BN], True)"),
        ("advantages in reverse", "[item.advantage for item in group]", "[item.advantage for item in group[::-1]]"),
        ("log-probabilities of the first tokens", "logp_L[item.trained_L] for name", "logp_L[: item.trained] for name"),
        ("sampled, not trainer's, under a correction", "item.trainer_logp_L if corrected else item.sampled_logp_L", "item.sampled_logp_L"),
        ("correction without a gap", "item.sampled_logp_L if corrected else None", "item.trainer_logp_L if corrected else None"),
        ("correction dropped", "item.sampled_logp_L if corrected else None", "None"),
        ("sampler for the reference", '"reference_logp_BT": item.reference_logp_L', '"reference_logp_BT": None if item.reference_logp_L is None else item.sampled_logp_L'),
        ("first token trained", "if any(bool(item.trained_L[0])", "if False and any(bool(item.trained_L[0])"),
        ("cut loses a sequence", "groups.append(ordered[first[end] : end])", "groups.append(ordered[first[end] : end][: max(1, end - first[end] - 1)])"),
        ("cut doubles a sequence", "groups.append(ordered[first[end] : end])", "groups.append(ordered[max(0, first[end] - 1) : end])"),
        ("places of the sorted list", "groups.append(ordered[first[end] : end])", "groups.append([*range(first[end], end)])"),
        ("budget ignored", "fits = size <= token_budget", "fits = size > 0"),
        ("budget without padding", "lengths[ordered[end - 1]] * np.arange(end, 0, -1)", "np.cumsum([lengths[place] for place in ordered[:end]][::-1])[::-1]"),
        ("a long sequence takes company", "fits[-1] = True", "fits[-1 if fits.any() else 0] = True"),
        ("cuts not weighed", "total.argmin()", "int(fits.argmax())"),
        ("sequences unsorted", "sorted(range(len(lengths)), key=lambda place: lengths[place])", "list(range(len(lengths)))"),
    ],
    "sspo_cli/engine/logprobs.py": [
        ("log-probabilities of another", "zip(places, group, logp_BT.cpu(), strict=True)", "zip(sorted(places), group, logp_BT.cpu(), strict=True)"),
        ("temperature left out", "bias_V, token_N, temperature)", "bias_V, token_N, 1.0)"),
    ],
    "sspo_cli/engine/update.py": [
        ("shared update: weights of before the step", "        rest(self.policy.model)\n", ""),
        ("shared update: no empty passes counted", "if group:\n                parts.append(", "if True:\n                parts.append("),
        ("shared update: an empty pass learns", ".loss * bool(group)", ".loss"),
        ("counts of all tokens", "sum(item.trained for item in trajectories), self", "sum(item.tokens for item in trajectories), self"),
        ("still responses left out", "((moving, True), (still, not moving))", "((moving, True),)"),
        ("still responses moved", "(still, not moving)", "(still, True)"),
        ("micro-batches of the sorted list", "yield [mine[place] for place in places], moves", "yield [trajectories[place] for place in places], moves"),
        ("gap to the trainer, not the sampler", "batch.old_logp_BT if batch.rollout_logp_BT is None else batch.rollout_logp_BT", "batch.old_logp_BT"),
        ("recorded log-probabilities overwritten", '{"old_logp_BT": logp_BT.detach()} | microbatch.logps', 'microbatch.logps | {"old_logp_BT": logp_BT.detach()}'),
    ],
    "sspo_cli/engine/loop.py": [
        ("version of the first weights", "sync(self.parts.policy, self.progress.step)", "sync(self.parts.policy, 0)"),
        ("every update on the first responses", "[trajectories[i] for i in places]", "[trajectories[i] for i in range(len(places))]"),
        ("logged means are the last", "sum(row[name] for row in history) / len(history)", "history[-1][name]"),
        ("cursor not saved", "self.progress.prompts = self.source.prompts", "pass"),
        ("resume forgets the cursor", "self.source.restore(self.progress.prompts, waiting)", "self.source.restore(0, waiting)"),
        ("resume forgets what waits", "self.source.restore(self.progress.prompts, waiting)", "self.source.restore(self.progress.prompts, [])"),
        ("unscored rollouts in all, not in a row", "            self.progress.unscored = 0\n", ""),
    ],
    "sspo_cli/engine/world.py": [
        ("ranks: all to one", "load.index(min(load))", "load.index(max(load))"),
        ("ranks: dealt in order", "key=lambda place: -weights[place])", "key=lambda place: 0)"),
        ("ranks: results in the order of ranks", "[by_place[place] for place in range(len(weights))]", "list(by_place.values())"),
        ("ranks: a failure stays where it was", "        if failed is not None:\n", "        if failed is not None and failure is failed:\n"),
        ("ranks: a flag stays where it was", "return any(self.gather([flag]))", "return flag"),
        ("ranks: own count for the most", "return max(self.gather([count]))", "return count"),
        ("ranks: gradients of one rank", "total_N = world.sum(torch.cat(", "total_N = (torch.cat("),
        ("ranks: weights stay whole", "        if self.sharded:\n", "        if False:\n"),
        ("ranks: a lost rank told as any error", 'and "/gloo/" not in str(error)', "and True"),
        ("ranks: any error told as a lost rank", 'and "/gloo/" not in str(error)', "and False"),
    ],
    "sspo_cli/models/shards.py": [
        ("shards: mean of gradients", "set_gradient_divide_factor(1.0)", "set_gradient_divide_factor(2.0)"),
        ("shards: the model as one piece", "for layer in reversed([layer for", "for layer in reversed([layer for layer in () for"),
        ("shards: passes beside the hooks", "getattr(model, COMPUTE)(work) if is_sharded(model) else work()", "work()"),
        ("shards: a part saved for the whole", "tensor.full_tensor() if", "tensor.to_local() if"),
        ("shards: tied weights forgotten", "first_name[id(value)]] for name, value in named.items()}", "name] for name in found}"),
        ("shards: rows of rank 0", "first = min(", "first = 0 * min("),
        ("shards: rows rounded down", "each = -(-len(parameter) // parameter.device_mesh.size())", "each = len(parameter) // parameter.device_mesh.size()"),
    ],
    "sspo_cli/evaluation/evaluate.py": [
        ("a problem without an answer counts", "[row.correct for row in rows if row.correct is not None]", "[bool(row.correct) for row in rows]"),
        ("unscored rewards are zero", "reward_n[~unscored_n].mean()", "np.nan_to_num(reward_n).mean()"),
        ("scored told as unscored", "float(unscored_n.mean())", "float((~unscored_n).mean())"),
        ("interval over samples", "pass_interval(counts_C))\n", "pass_interval(counts_C * correct_PG.shape[1]))\n"),
        ("score of the first sample", "group.scores[k], group.completions[k]", "group.scores[0], group.completions[k]"),
        ("samples of a problem apart", "reshape(-1, samples)\n\n\ndef accuracy", "reshape(samples, -1).T\n\n\ndef accuracy"),
        ("no answer at all passes", "if all(score.correct is None for", "if False and all(score.correct is None for"),
        ("evaluated as training", 'collector.collect("eval", step or 0', 'collector.collect("train", step or 0'),
        ("errors never told", 'if config.reward.on_error == "skip" else {}\n    return', 'if False else {}\n    return'),
    ],
}  # fmt: skip
MUTANTS = [Mutant(label, file, old, new) for file, edits in EDITS.items() for label, old, new in edits]


class FirstFailure:
    """Of a session of pytest: the test, or the file that cannot be imported. A test that does not end fails."""

    def __init__(self) -> None:
        self.found = ""
        signal.signal(signal.SIGALRM, self.late)

    def late(self, number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no end within {LIMIT_S} s")

    def pytest_runtest_setup(self) -> None:
        signal.alarm(LIMIT_S)

    def pytest_sessionfinish(self) -> None:
        signal.alarm(0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.found = self.found or report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.found = self.found or report.nodeid


def killer(mutant: Mutant) -> str:
    """The first test that fails, or "". For a process of its own, which belongs to the copy from here on."""
    return failing_test(mutant, TESTS[mutant.file])


def failing_test(mutant: Mutant, tests: Sequence[str]) -> str:
    with mutated(mutant) as copy, Path(os.devnull).open("w") as nowhere:
        for name in [name for name in sys.modules if name.partition(".")[0] in ("sspo_cli", "tests")]:
            del sys.modules[name]
        sys.path.insert(0, str(copy))
        os.environ |= {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
        os.chdir(copy)
        first = FirstFailure()
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            code = pytest.main(["-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests], plugins=[first])
        os.chdir("/")
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
            raise RuntimeError(f"{mutant.label}: pytest did not run: {code!r}")
        return first.found


def main(words: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if " ".join(words) in mutant.label]
    every = list(dict.fromkeys(test for mutant in chosen for test in TESTS[mutant.file]))
    width = max(len(mutant.label) for mutant in MUTANTS)
    survivors, file = 0, ""
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as processes:
        if found := processes.apply(failing_test, (UNCHANGED, every)):
            print(f"fails on the package as it is: {found}")
            return 1
        for mutant, found in zip(chosen, processes.imap(killer, chosen), strict=True):
            if mutant.file != file:
                file = mutant.file
                print(f"\n{file}")
            print(f"{mutant.label:{width}} {found.removeprefix('tests/') or 'SURVIVED'}", flush=True)
            survivors += not found
    print(f"\n{len(chosen)} mutants: {len(chosen) - survivors} killed, {survivors} survive")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
