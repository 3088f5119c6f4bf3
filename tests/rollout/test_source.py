"""Which rollout a step learns from, under which weights it is collected, and which problems it takes."""

from __future__ import annotations

import threading

import pytest

from sspo_cli.rollout.source import Dropped, OverlappedSource, Rollout, Source
from tests.steps import trajectory

LAST = 6
ITEM = trajectory([1], [2], None)


def rollout(number: int, first: int) -> Rollout:
    """Rollout `number` takes number + 1 problems and 10 ** number tokens."""
    return Rollout([ITEM] * 3, [], number + 1, 10**number, {"number": number, "first": first})


class Recorded:
    """Collects, and remembers for which step, during which one."""

    def __init__(self) -> None:
        self.now = 0
        self.asked: list[tuple[int, int]] = []

    def __call__(self, number: int, first: int) -> Rollout:
        self.asked.append((self.now, number))
        return rollout(number, first)

    def steps(self, source: Source, begin: int, end: int) -> list[tuple[Rollout, int]]:
        found = []
        for self.now in range(begin, end + 1):
            taken = source.take(self.now)
            found.append((taken, source.settle()))
        return found


@pytest.mark.parametrize("staleness", [0, 1, 2, 9])
def test_the_rollout_of_a_step_is_collected_so_many_steps_before_it(staleness: int) -> None:
    collect = Recorded()
    found = collect.steps(Source(collect, staleness, LAST), 1, LAST)
    assert [taken.metrics["number"] for taken, _ in found] == [1, 2, 3, 4, 5, 6], "in the order of steps, none twice"
    assert collect.asked == [(max(1, number - staleness), number) for number in range(1, LAST + 1)]
    # Problems follow one another without a gap: 2 of the first rollout, 3 of the second, ...
    assert [taken.metrics["first"] for taken, _ in found] == [0, 2, 5, 9, 14, 20]
    assert [tokens for _, tokens in found] == [
        sum(10**number for now, number in collect.asked if now == step) for step in range(1, LAST + 1)
    ]


@pytest.mark.parametrize("staleness", [0, 1, 3])
@pytest.mark.parametrize("stopped", [1, 2, 5])
def test_a_source_goes_on_from_what_a_checkpoint_keeps(staleness: int, stopped: int) -> None:
    whole, before, after = Recorded(), Recorded(), Recorded()
    expected = whole.steps(Source(whole, staleness, LAST), 1, LAST)
    first = Source(before, staleness, LAST)
    found = before.steps(first, 1, stopped)
    again = Source(after, staleness, LAST)
    again.restore(first.prompts, list(first.waiting))
    assert found + after.steps(again, stopped + 1, LAST) == expected
    assert before.asked + after.asked == whole.asked and again.prompts == 2 + 3 + 4 + 5 + 6 + 7


class Overlapped(Recorded):
    """Collects for an `OverlappedSource`, and remembers what the sampler's weights were, and whether steps waited."""

    def __init__(self, staleness: int) -> None:
        super().__init__()
        self.weights = self.held = 0
        self.drawn: list[tuple[int, int]] = []
        self.going = threading.Event()
        self.going.set()
        self.source = OverlappedSource(self, staleness, LAST, self.sync)

    def sync(self) -> None:
        self.held = self.weights

    def __call__(self, number: int, first: int) -> Rollout:
        assert self.going.wait(10)
        self.source.check()
        self.drawn.append((self.held, number))
        return super().__call__(number, first)

    def steps(self, source: Source, begin: int, end: int) -> list[tuple[Rollout, int]]:
        """Nothing is collected during `take` but what that step needs."""
        found = []
        for self.now in range(begin, end + 1):
            if source.waiting:
                self.going.clear()
            taken = source.take(self.now)
            self.weights = self.now  # an update
            self.going.set()
            found.append((taken, source.settle()))
        return found


@pytest.mark.parametrize("staleness", [1, 2, 9])
def test_overlapped_rollouts_are_those_of_the_source_in_order(staleness: int) -> None:
    plain, overlapped = Recorded(), Overlapped(staleness)
    expected = plain.steps(Source(plain, staleness, LAST), 1, LAST)
    assert overlapped.steps(overlapped.source, 1, 2) == expected[:2]
    again = Overlapped(staleness)
    again.weights = 2
    again.source.restore(overlapped.source.prompts, list(overlapped.source.waiting))
    assert again.steps(again.source, 3, LAST) == expected[2:]
    assert overlapped.asked + again.asked == plain.asked
    assert all(held == max(0, number - 1 - staleness) for held, number in overlapped.drawn + again.drawn)


def test_what_fails_in_the_thread_is_raised_and_a_run_that_ends_waits_for_no_rollout() -> None:
    def failing(number: int, first: int) -> Rollout:
        if number > 1:
            raise ValueError("no more problems")
        return rollout(number, first)

    source = OverlappedSource(failing, 1, LAST, lambda: None)
    source.take(1)
    with pytest.raises(ValueError, match="no more problems"):
        source.settle()
    overlapped = Overlapped(1)
    source = overlapped.source
    source.take(1)
    source.settle()
    overlapped.going.clear()
    source.take(2)
    source.dropped = True
    overlapped.going.set()
    source.drop()
    assert isinstance(source.failure, Dropped) and source.thread is None
