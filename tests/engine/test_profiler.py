"""What is read from the events of a profiled step, on a step whose times are known, and the phases of a stopwatch."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from torch._C._autograd import DeviceType

from sspo_cli.engine.profiler import summarise
from sspo_cli.timing import Stopwatch, phase

SECOND = 1e6


def event(
    name: str, start: float, end: float, *, self_s: float = 0.0, mark: bool = False, gpu: bool = False
) -> SimpleNamespace:
    """An event of the profiler, from and to a second of the step, of which `self_s` went to no op inside it."""
    return SimpleNamespace(
        name=name,
        time_range=SimpleNamespace(start=start * SECOND, end=end * SECOND),
        self_cpu_time_total=self_s * SECOND,
        self_device_time_total=self_s * SECOND / 2,
        is_user_annotation=mark,
        device_type=DeviceType.CUDA if gpu else DeviceType.CPU,
    )


MARKS = [
    event("step", 0, 20, mark=True),
    event("rollout", 1, 9, mark=True),
    event("reward", 4, 6, mark=True),
    event("update", 9, 19, mark=True),
    event("Optimizer.step#AdamW.step", 17, 19, mark=True),
]
OPS = [
    event("aten::linear", 1, 4, self_s=1),
    event("aten::mm", 2, 4, self_s=2),
    event("aten::copy_", 4.5, 5, self_s=0.5),
    event("aten::copy_", 7, 8, self_s=1),
    event("aten::mm", 10, 14, self_s=4),
    event("aten::mm", 12, 16, self_s=4),
    event("aten::cat", 16.5, 18, self_s=1.5),
]


def test_time_goes_to_the_innermost_phase_and_to_compute_copies_or_python() -> None:
    phases = summarise([*MARKS, *OPS])["phases"]
    assert list(phases) == ["rollout", "reward", "update", "step"]
    assert {name: phase["seconds"] for name, phase in phases.items()} == pytest.approx(
        {"rollout": 6, "reward": 2, "update": 10, "step": 20}
    )
    assert phases["rollout"] == pytest.approx({"seconds": 6, "compute": 3 / 6, "copies": 1 / 6, "python": 2 / 6})
    assert phases["reward"] == pytest.approx({"seconds": 2, "compute": 0, "copies": 0.25, "python": 0.75})
    # Ops that overlap on two threads cover their time once.
    assert phases["update"] == pytest.approx({"seconds": 10, "compute": 0.6, "copies": 0.15, "python": 0.25})
    assert phases["step"] == pytest.approx({"seconds": 20, "compute": 9 / 20, "copies": 3 / 20, "python": 8 / 20})


def test_ops_are_ranked_by_self_time_and_split_by_phase() -> None:
    ops = summarise([*MARKS, *OPS])["ops"]
    assert [row["op"] for row in ops] == ["aten::mm", "aten::copy_", "aten::cat", "aten::linear"]
    assert ops[0]["calls"] == 3 and ops[0]["seconds"] == pytest.approx(10)
    assert ops[0]["by_phase"] == pytest.approx({"rollout": 2, "update": 8})
    assert ops[1]["by_phase"] == pytest.approx({"reward": 0.5, "rollout": 1})


def test_of_a_gpu_the_share_in_which_it_was_busy_is_told_and_ops_count_its_time() -> None:
    kernels = [event("gemm", 3, 5, gpu=True), event("gemm", 4, 7, gpu=True), event("step", 0, 20, mark=True, gpu=True)]
    found = summarise([*MARKS, *OPS, *kernels])
    assert found["phases"]["rollout"]["gpu"] == pytest.approx(2 / 6)
    assert found["phases"]["reward"]["gpu"] == pytest.approx(1)
    assert found["phases"]["step"]["gpu"] == pytest.approx(4 / 20)
    assert found["ops"][0]["seconds"] == pytest.approx(5)


def test_a_step_without_ops_is_all_python() -> None:
    assert summarise(MARKS)["phases"]["step"] == pytest.approx({"seconds": 20, "compute": 0, "copies": 0, "python": 1})


def test_a_phase_inside_another_counts_for_itself_alone() -> None:
    watch = Stopwatch()
    with watch.running():
        for _ in range(2):
            with phase("rollout"), phase("reward"):
                time.sleep(0.05)
    with phase("update"):
        pass
    assert set(watch.seconds) == {"rollout", "reward"}, "no phase is timed outside the stopwatch"
    assert watch.seconds["reward"] >= 0.1 > watch.seconds["rollout"]
    assert sum(watch.seconds.values()) <= watch.total
