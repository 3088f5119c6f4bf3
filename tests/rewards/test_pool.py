"""Rewards in worker processes: whatever a reward does, the others are exact, and no process is left."""

from __future__ import annotations

import math
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sspo_cli.build import build_rewarder
from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import MathRewardSection, PythonRewardSection, RewardConfig, TrainConfig
from sspo_cli.data.problem import Message, Problem
from sspo_cli.guards import GuardStop
from sspo_cli.rewards.base import Item, Judge, Rewarder, RewardError
from sspo_cli.rewards.pool import Limits, PoolRewarder
from sspo_cli.types import Key, Score

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

SUM = Problem(id="p", prompt="1+1=", answer="2", solution=None)
LONG_S = 60.0  # for what takes no time on a quiet machine

Pool = Callable[..., Rewarder]


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word in the environment of every process that the test starts, and of those that they start."""
    word = uuid.uuid4().hex
    monkeypatch.setenv("SSPO_TEST_MARK", word)
    return word


def processes(mark: str) -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def wait_until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def pool(tmp_path: Path, mark: str) -> Iterator[Pool]:
    """Makes the rewarder of a file with that text; afterwards none of its processes is left."""
    made: list[Rewarder] = []

    def make(text: str, **keys: object) -> Rewarder:
        file = tmp_path / "mine.py"
        file.write_text(textwrap.dedent(text))
        usual = {"workers": 1, "timeout_s": LONG_S, "memory_gib": None, "on_error": "skip"}
        config = PythonRewardSection(kind="python", path=str(file), function="score", **{**usual, **keys})  # type: ignore[arg-type]
        made.append(build_rewarder(config))
        return made[-1]

    yield make
    for rewarder in made:
        rewarder.close()
        rewarder.close()
    assert processes(mark) == set()


def items(*responses: str) -> Iterator[Item]:
    return ((Key("train", 1, 0, number), SUM, response) for number, response in enumerate(responses))


def score(rewarder: Rewarder, *responses: str) -> list[Score]:
    """In the order of the responses."""
    return sorted(rewarder.score(items(*responses)), key=lambda found: found.key)


@pytest.mark.slow
def test_of_64_rewards_those_that_can_be_had_are_exact_whatever_the_others_do(pool: Pool, mark: str) -> None:
    workers = 8
    rewarder = pool(
        """
        import os
        def score(prompt, response, answer):
            kind, number = response.split()
            if kind == "loop":
                while True:
                    pass
            if kind == "allocate":
                kept = []
                while True:
                    kept.append(bytearray(10_000_000))
            if kind == "exit":
                os._exit(3)
            return int(number) / 7
        """,
        **{"workers": workers, "timeout_s": 1.0, "memory_gib": 0.25},
    )
    kinds = ["loop"] * 16 + ["allocate"] * 8 + ["exit"] * 8 + ["good"] * 32
    random.Random(0).shuffle(kinds)
    begun = time.monotonic()
    found = score(rewarder, *(f"{kind} {number}" for number, kind in enumerate(kinds)))
    seconds = time.monotonic() - begun
    assert seconds < 3 * (1.0 * math.ceil(32 / workers) + 2), "three times what a quiet machine takes at most"
    name = "mine.py: score "
    told = {"loop": f"{name}took longer than reward.timeout_s=1", "exit": f"{name}ended its process with exit code 3"}
    told["allocate"] = f"{name}raised MemoryError() (reward.memory_gib=0.25)"
    for number, (kind, one) in enumerate(zip(kinds, found, strict=True)):
        if kind == "good":
            assert (one.parts, one.correct, one.error) == ({"score": number / 7}, number >= 7, None)
        else:
            assert one.parts == {} and math.isnan(one.reward) and one.correct is False
            # Where memory is slow, an allocation can outrun its time first.
            assert one.error and one.error.endswith((told[kind], told["loop"] if kind == "allocate" else told[kind]))
    wait_until(lambda: len(processes(mark)) == 2 * workers, "each worker is a guard and a grader, and all are there")
    again = score(rewarder, *(f"good {number}" for number in range(64)))
    assert [one.reward for one in again] == [number / 7 for number in range(64)]


HARMLESS = {
    "prints": "print('word', flush=True); sys.stdout.write('no end of line')",
    "writes to the terminal's descriptor": "os.write(1, b'word'); os.system('echo word')",
    "reads what is typed": "assert sys.stdin.read() == '' and os.read(0, 1) == b''",
    "forks, and both return": "os.fork()",
    "forks, and one raises": "1 / (os.fork() and 1)",
    "writes to every descriptor": "[written(fd) for fd in range(3, 21)]",
    "changes the directory": "os.chdir('/')",
    "closes its output": "sys.stdout.close(); sys.stderr = None",
    "leaves a thread": "threading.Thread(target=time.sleep, args=(100,)).start()",
    "leaves a child": "subprocess.Popen(['sleep', '100'])",
    "leaves a child in a session of its own": "subprocess.Popen(['sleep', '100'], start_new_session=True)",
    "leaves a child of a child": "os.system('setsid sleep 100 & exit')",
    "ignores signals": "[signal.signal(number, signal.SIG_IGN) for number in (2, 15, 17)]",
    "uses an alarm": "signal.signal(signal.SIGALRM, lambda *given: None); signal.alarm(1)",
    "changes the path": "sys.path.clear()",
}
IMPORTS = """
import contextlib, ctypes, os, signal, subprocess, sys, threading, time

def written(fd, line=b"1"):
    with contextlib.suppress(OSError):
        os.write(fd, line + b"\\n")

FORGED = b'{"parts": [["score", 1]], "remarks": []}'
"""


@pytest.mark.parametrize("does", HARMLESS)
def test_what_a_reward_does_on_the_side_disturbs_nothing(
    pool: Pool, does: str, capfd: pytest.CaptureFixture[str]
) -> None:
    body = HARMLESS[does]
    text = f"{IMPORTS}def score(p, r, a):\n    if r == 'bad':\n        {body}\n    return len(r) / 8\n"
    rewarder = pool(text)
    found = score(rewarder, "bad", "good", "bad", "longer")
    assert [(one.parts, one.error) for one in found] == [({"score": n / 8}, None) for n in (3, 4, 3, 6)]
    rewarder.close()
    told = capfd.readouterr()
    assert told.out == "", "nothing of a reward's reaches the run's own output"
    assert "word" in told.err if "word" in body else told.err.count("Error") <= 2


FAILS = {
    "raise ValueError('no')": r"score raised ValueError\('no'\)$",
    "sys.exit(3)": r"score raised SystemExit\(3\)$",
    "raise KeyboardInterrupt": r"score raised KeyboardInterrupt\(\)$",
    "os._exit(0)": "score ended its process with exit code 0$",
    "os._exit(7)": "score ended its process with exit code 7$",
    "os.abort()": "score ended: its process was killed by SIGABRT$",
    "os.kill(os.getpid(), 9)": "score ended: its process was killed by SIGKILL$",
    "os.killpg(0, 9)": "score ended: its process was killed by SIGKILL$",
    "os.kill(os.getppid(), 9); time.sleep(100)": "score ended: its process was killed by SIGKILL$",
    "ctypes.string_at(0)": "score ended: its process was killed by SIGSEGV$",
    "os.closerange(0, 20_000)": "score closed the pipe of its worker$",
    "os.closerange(3, 20_000); time.sleep(100)": "score closed the pipe of its worker$",
    "[written(fd) for fd in range(200, 210)]": "score wrote into the pipe of its worker$",
    "[written(fd, FORGED) for fd in range(200, 210)]": "score wrote into the pipe of its worker$",
    "deep()": r"score raised RecursionError\('maximum recursion depth",
    "raise Unspeakable": "score raised Unspeakable, which cannot be shown$",
    "raise ValueError('x' * 10**7)": r"score raised ValueError\('xxx",
    "raise ValueError('two\\n   lines')": r"score raised ValueError\('two\\n lines'\)$",
}


@pytest.mark.parametrize("statement", FAILS)
def test_a_reward_that_fails_is_named_and_the_next_one_is_graded(pool: Pool, statement: str) -> None:
    rewarder = pool(
        f"""{IMPORTS}
class Unspeakable(Exception):
    def __repr__(self):
        1 / 0
    __str__ = __repr__
def deep():
    deep()
def score(prompt, response, answer):
    if response == "bad":
        {statement}
    return len(response) / 8
"""
    )
    good, bad, longer = score(rewarder, "good", "bad", "longer")
    assert (good.reward, longer.reward, bad.parts, bad.correct) == (0.5, 0.75, {}, False)
    assert bad.error is not None and re.search(FAILS[statement], bad.error) and len(bad.error) < 3000


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True:\n        try:\n            time.sleep(100)\n        except BaseException:\n            pass",
        "[signal.signal(n, signal.SIG_IGN) for n in range(1, 32) if n not in (9, 19)]; os.fork(); time.sleep(100)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "subprocess.Popen(['sleep', '100'], start_new_session=True).wait()",
        "os.system('setsid setsid sleep 100 & sleep 0.1'); time.sleep(100)",
    ],
)
def test_a_reward_that_never_returns_is_killed_with_all_that_it_started(pool: Pool, mark: str, body: str) -> None:
    text = f"{IMPORTS}def score(p, r, a):\n    if r != 'bad':\n        return 1.0\n    {body}\n"
    rewarder = pool(text, timeout_s=0.5)
    bad, good = score(rewarder, "bad", "good")
    assert bad.error and bad.error.endswith("mine.py: score took longer than reward.timeout_s=0.5")
    assert good.correct and bad.correct is False
    assert len(processes(mark)) == 2, "the guard and the grader of the new worker"


def test_memory_is_bounded_and_its_worker_replaced(pool: Pool) -> None:
    rewarder = pool(
        """
        kept = []
        def score(prompt, response, answer):
            size = 10**6 if response == "bad" else 0
            while size:
                try:
                    kept.append(bytes(size))
                except MemoryError:
                    if size == 1:
                        raise
                    size //= 2
            return len(kept)
        """,
        memory_gib=0.1,
    )
    bad, good = score(rewarder, "bad", "good")
    assert bad.error and bad.error.endswith("score raised MemoryError() (reward.memory_gib=0.1)")
    assert good.parts == {"score": 0.0}


def test_what_cannot_be_sent_is_named(pool: Pool) -> None:
    text = "import numpy\ndef score(p, r, a):\n    return eval(r)\n"
    rewarder = pool(text, correct=1.0)
    for value, expected in (
        ("open", r"p: the reward part 'score' is <built-in function open>: must be a number, or None"),
        ("{'a': [1]}", r"p: the reward part 'a' is \[1\]: must be a number"),
        ("{3: 1.0}", "p: the reward has a part named 3: must be a printable text"),
        ("{}", "p: the reward has no parts"),
        ("{'errors': 1}", "reward/errors is another metric"),
    ):
        with pytest.raises(ConfigError, match=expected):
            score(rewarder, value)
    with pytest.raises(GuardStop, match=r"the reward part 'score' of p is inf, for the response '10\*\*400'"):
        score(pool(text, correct=1.0), "10**400")
    sent = "{'f': numpy.float32(0.5), 'i': numpy.int64(3), 'b': True, 'n': None, 's': '0.25', 'é': 1e-320}"
    [found] = score(pool(text, correct=1.0), sent)
    assert {name: value for name, value in found.parts.items() if name != "n"} == {
        "f": 0.5, "i": 3.0, "b": 1.0, "s": 0.25, "é": 1e-320,
    }  # fmt: skip
    assert math.isnan(found.parts["n"]) and found.correct is False and found.error is None


def test_a_part_that_no_response_has_cannot_say_what_is_correct(pool: Pool) -> None:
    rewarder = pool("def score(p, r, a):\n    return 1.0\n", correct="rihgt")
    with pytest.raises(ConfigError, match=r"reward\.correct=rihgt: no response has such a part; the parts are score"):
        score(rewarder, "any")


def test_a_worker_gets_what_the_function_gets_in_process(pool: Pool, tmp_path: Path) -> None:
    problem = Problem("é\ud800", (Message("user", "1+1=\u2028"),), ("2", "two"), "s")
    text = "import json\ndef score(*given):\n    open(__file__ + '.json', 'a').write(json.dumps(given) + '\\n')\n"
    responses = ["x\r\n\x00\x85y", "\ud83d", "long " * 200_000]
    for workers in (0, 1):
        rewarder = pool(text, workers=workers, timeout_s=LONG_S if workers else None)
        given = [(Key("eval", 0, 0, number), problem, response) for number, response in enumerate(responses)]
        assert [one.error for one in rewarder.score(iter(given))] == [None] * 3
    lines = (tmp_path / "mine.py.json").read_text().splitlines()
    assert len(lines) == 6 and lines[:3] == lines[3:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import nonsense_module", r"mine\.py: ModuleNotFoundError: No module named 'nonsense_module'$"),
        ("def other(): pass", r"reward\.function=score: .*mine\.py defines no such function$"),
        ("import sys; sys.exit(4)", r"mine\.py: SystemExit: 4$"),
        ("import os; os._exit(5)", r"mine\.py: score ended its process with exit code 5 while it was imported$"),
        ("x = bytes(10**9)", r"mine\.py: MemoryError \(reward\.memory_gib=0\.5\)$"),
        ("raise KeyboardInterrupt", r"the reward raised KeyboardInterrupt\(\)$"),
    ],
)
def test_a_file_that_cannot_be_imported_is_told_before_the_run(pool: Pool, mark: str, text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        pool(text, workers=2, memory_gib=0.5)
    assert processes(mark) == set()


def test_a_file_that_never_finishes_importing_is_told(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import time\ntime.sleep(1000)\n")
    config = PythonRewardSection(kind="python", path=str(file), function="score")
    with pytest.raises(ConfigError, match=r"^mine: score took longer than 1 s while it was imported$"):
        PoolRewarder(config, Judge(), workers=2, limits=Limits(None, None, start_s=1.0), name="mine: score")
    assert processes(mark) == set()


def test_the_file_runs_in_its_workers_alone_and_its_state_is_theirs(pool: Pool, tmp_path: Path) -> None:
    before = set(sys.modules)
    rewarder = pool(
        "import os\nfrom pathlib import Path\nPath(__file__).with_suffix(f'.{os.getpid()}').touch()\ncalls = 0\n"
        "def score(p, r, a):\n    global calls\n    calls += 1\n    return calls\n"
    )
    assert [one.reward for one in score(rewarder, "a", "b", "c")] == [1, 2, 3]
    imported = {int(file.suffix[1:]) for file in tmp_path.glob("mine.*") if file.suffix != ".py"}
    assert len(imported) == 1 and os.getpid() not in imported
    assert not {name for name in set(sys.modules) - before if name.startswith("user_")}


def test_with_stop_the_response_and_its_traceback_are_told(pool: Pool, mark: str) -> None:
    rewarder = pool(
        """
        import time
        def score(prompt, response, answer):
            if response == "hang":
                time.sleep(1000)
            return 1 / float(response)
        """,
        **{"workers": 2, "on_error": "stop"},
    )
    with pytest.raises(
        RewardError, match=r"mine\.py: score raised ZeroDivisionError\('float division by zero'\)$"
    ) as e:
        score(rewarder, "1", "hang", "0", *["1"] * 20)
    told = e.value.to_json()
    assert told["key"] == {"stream": "train", "step": 1, "problem": 0, "sample": 2}
    assert (told["problem"], told["prompt"], told["answer"], told["response"]) == ("p", "1+1=", "2", "0")
    assert "in score" in told["traceback"] and told["traceback"].endswith("float division by zero\n")
    assert [one.reward for one in score(rewarder, "1", "2")] == [1, 0.5], "nothing waits for the response that hangs"
    wait_until(lambda: len(processes(mark)) == 4, "both workers are there again")


def test_a_caller_that_leaves_kills_what_it_no_longer_waits_for(pool: Pool, tmp_path: Path) -> None:
    text = "def score(p, r, a):\n    open(__file__ + r, 'w').close()\n    return time.sleep(float(r)) or 1\n"
    rewarder = pool(IMPORTS + text)
    found = rewarder.score(items("0", "1000", "1000"))
    assert next(found).key.sample == 0
    wait_until((tmp_path / "mine.py1000").exists, "the next one has begun")
    begun = time.monotonic()
    found.close()  # type: ignore[attr-defined]
    assert [one.reward for one in score(rewarder, "0", "0")] == [1, 1]
    assert time.monotonic() - begun < LONG_S / 2, "nobody waits until it outruns its time"


def test_responses_are_graded_while_others_are_still_made(pool: Pool, tmp_path: Path) -> None:
    rewarder = pool(
        "from pathlib import Path\ndef score(p, r, a):\n    Path(__file__).with_suffix('.' + r).touch()\n    return 1\n"
    )

    order: list[str] = []

    def made() -> Iterator[Item]:
        for number, item in enumerate(items("a", "b", "c", "d")):
            if number:
                file = tmp_path / f"mine.{'abcd'[number - 1]}"
                wait_until(file.exists, "the response before is graded while this one is made")
            order.append(f"made {number}")
            yield item

    for found in rewarder.score(made()):
        order.append(f"scored {found.key.sample}")
    assert len(order) == 8 and order.index("scored 0") < order.index("made 3"), "and its score is told"


def test_a_worker_that_is_killed_while_it_waits_costs_no_response(pool: Pool, mark: str) -> None:
    rewarder = pool("import os\ndef score(p, r, a):\n    return os.getpid()\n")
    first = score(rewarder, "a")[0].reward
    os.kill(int(first), signal.SIGKILL)
    wait_until(lambda: int(first) not in processes(mark), "it is gone")
    again = score(rewarder, "a")[0]
    assert again.error is None and again.reward != first


def test_workers_find_the_modules_that_the_run_finds(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "distant.py").write_text("VALUE = 0.5\n")
    (tmp_path / "json.py").write_text("raise RuntimeError('of the current folder')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    rewarder = pool("import distant\ndef score(p, r, a):\n    return distant.VALUE\n")
    assert score(rewarder, "a")[0].reward == 0.5


def test_a_reward_that_changed_on_disk_replaces_no_worker(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "near.py").write_text("VALUE = 1.0\n")
    rewarder = pool("import near, os\ndef score(p, r, a):\n    return near.VALUE if r == 'good' else os._exit(1)\n")
    assert score(rewarder, "good")[0].reward == 1
    (tmp_path / "near.py").write_text("VALUE = 2.0\n")
    with pytest.raises(RewardError, match=r"a worker cannot be replaced: .*when the run began: near\.py changed$"):
        score(rewarder, "bad", "good")
    (tmp_path / "near.py").write_text("VALUE = 1.0\n")
    wait_until(lambda: graded(rewarder) == 1, "it is as it was")


def graded(rewarder: Rewarder) -> float:
    try:
        return score(rewarder, "good")[0].reward
    except RewardError:
        return math.nan


SCRIPT = """
import os, signal, sys, time
from sspo_cli.build import build_rewarder
from sspo_cli.config.schema import PythonRewardSection
from sspo_cli.data.problem import Problem
from sspo_cli.types import Key

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda number, frame: print("asked to stop", flush=True))
    config = PythonRewardSection(kind="python", path="mine.py", function="score", workers=2, on_error="skip")
    rewarder = build_rewarder(config)
    problem = Problem("p", "?", "2", None)
    found = rewarder.score((Key("train", 1, 0, i), problem, r) for i, r in enumerate(sys.argv[1:]))
    print("begun", flush=True)
    print(sorted((one.key.sample, one.reward, one.error) for one in found), flush=True)
    rewarder.close()
"""


def run_script(tmp_path: Path, reward: str, *responses: str) -> subprocess.Popen[str]:
    (tmp_path / "mine.py").write_text(f"{IMPORTS}{reward}")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    begun = subprocess.Popen(
        [sys.executable, str(script), *responses],
        cwd=tmp_path,
        stdin=script.open(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert begun.stdout is not None and begun.stdout.readline() == "begun\n"
    return begun


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_worker(tmp_path: Path, mark: str) -> None:
    reward = (
        "def score(p, r, a):\n    subprocess.Popen(['sleep', '100'], start_new_session=True)\n    time.sleep(100)\n"
    )
    begun = run_script(tmp_path, reward, "a", "b")
    wait_until(lambda: len(processes(mark)) >= 7, "the run, two guards, two graders, two children")
    os.kill(begun.pid, signal.SIGKILL)
    begun.wait()
    wait_until(lambda: processes(mark) == set(), "all of them end with the run")


@pytest.mark.slow
def test_ctrl_c_lets_workers_finish(tmp_path: Path, mark: str) -> None:
    reward = "def score(p, r, a):\n    while not os.path.exists('asked'):\n        time.sleep(0.01)\n"
    reward += "    assert sys.stdin.read() == '', 'what the run reads is not for its workers'\n    return float(r)\n"
    begun = run_script(tmp_path, reward, "1", "2", "3")
    assert begun.stdout is not None
    os.killpg(begun.pid, signal.SIGINT)
    assert begun.stdout.readline() == "asked to stop\n"
    (tmp_path / "asked").touch()
    assert begun.stdout.read() == "[(0, 1.0, None), (1, 2.0, None), (2, 3.0, None)]\n" and begun.wait() == 0
    assert processes(mark) == set()


STORM = """
import os, signal, threading, time
from sspo_cli.build import build_rewarder
from sspo_cli.config.schema import PythonRewardSection
from sspo_cli.data.problem import Problem
from sspo_cli.types import Key

def interrupt():
    while not done.is_set():
        os.killpg(0, signal.SIGINT)
        time.sleep(0)

if __name__ == "__main__":
    heard, done = [], threading.Event()
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    section = PythonRewardSection(kind="python", path="mine.py", function="score", workers=4, timeout_s=60)
    rewarder = build_rewarder(section)
    items = [(Key("train", 1, 0, i), Problem("p", "?", "2", None), "r") for i in range(16)]
    found = list(rewarder.score(iter(items)))
    rewarder.close()
    done.set()
    thread.join()
    print(len(found), {one.error for one in found}, len(heard) > 3)
"""


@pytest.mark.slow
def test_ctrl_c_while_workers_start_costs_none(tmp_path: Path, mark: str) -> None:
    (tmp_path / "mine.py").write_text("import time\ndef score(p, r, a):\n    return time.sleep(0.05) or 1\n")
    (tmp_path / "script.py").write_text(STORM)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=LONG_S,
    )
    assert done.stdout == "16 {None} True\n", done.stderr


def test_math_says_the_same_in_workers_as_in_process(mark: str) -> None:
    golds = ["12", "two words", "", "1/2", "yes", "2:30", "Paris", "$$"]
    problems = [Problem(f"q{number}", "?", gold, None) for number, gold in enumerate(golds)]
    given = [
        (Key("eval", 0, i, k), problem, response)
        for i, problem in enumerate(problems)
        for k, response in enumerate(("\\boxed{12}", "0.5", "Yes", "9" * 30 + "^" * 3))
    ]
    told = []
    for workers in (0, 2):
        rewarder = build_rewarder(MathRewardSection(kind="math", workers=workers))
        scores: list[Score] = []
        if workers:  # not in the main thread, which math-verify's alarms need: a worker has a main thread of its own
            thread = threading.Thread(target=lambda to, by: to.extend(by.score(iter(given))), args=(scores, rewarder))
            thread.start()
            thread.join()
        else:
            scores += rewarder.score(iter(given))
        rewarder.close()
        told.append((sorted(scores, key=lambda one: one.key), rewarder.notes, rewarder.rule(problems[0])))
    assert told[0] == told[1]
    scores, notes, rule = told[0]
    assert [one.correct for one in scores[8:12]] == [None] * 4 and rule == "math >= 1"
    assert scores[0].correct and scores[13].correct and scores[18].correct and sum(map(bool, scores)) == len(given)
    assert notes["empty answers"].startswith("the answers of 2 problems (q2, q7) are empty")
    assert "4 problems (q1, q4, q5, ...) cannot be read as mathematics" in notes["compared as text"]
    assert processes(mark) == set()


def test_a_failed_grader_never_helps_and_a_problem_without_an_answer_never_counts() -> None:
    judge = Judge(on_error="skip", has_answer=lambda problem: bool(problem.answer))
    [(key, problem, response)] = items("r")
    failed = judge.failed((key, problem, response), "late")
    assert (failed.parts, failed.correct, failed.error) == ({}, False, "late") and math.isnan(failed.reward)
    assert judge.failed((key, Problem("p", "?", "", None), response), "late").correct is None


def test_the_keys_of_workers_are_checked_and_earlier_runs_have_none() -> None:
    def refused(*words: str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            load_config(TrainConfig, list(words))
        return raised.value.problems

    told = refused("reward=math", "reward.workers=0")
    assert [line.partition(":")[0] for line in told] == ["reward.timeout_s=60", "reward.memory_gib=4"]
    assert "use reward.workers=1 or more, or reward.timeout_s=null" in told[0]
    assert "reward.workers" in refused("reward=math", "reward.workers=-1")[0]
    assert "reward.on_error" in refused("reward=math", "reward.on_error=go")[0]
    assert "reward.timeout_s" in refused("reward=math", "reward.timeout_s=0")[0]
    config: RewardConfig = load_config(TrainConfig, []).reward
    assert config.workers == 0
    earlier = PythonRewardSection(kind="python", path="mine.py", function="score")
    assert (earlier.workers, earlier.timeout_s, earlier.memory_gib, earlier.on_error) == (0, None, None, "stop")
