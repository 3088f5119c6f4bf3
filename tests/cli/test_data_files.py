"""A user's own data through the real command: what each form trains on, what the reward gets, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sspo_cli.runs import jsonl
from tests.chat_models import CHAT, chat_folder
from tests.cli.conftest import Sspo, Write
from tests.cli.test_true_results import lines
from tests.data.user_files import excel_csv

pytestmark = pytest.mark.slow

CONF = Path(__file__).parents[2] / "conf"
SMOKE = ["train", "preset=smoke", "batch.prompts=4", "batch.samples_per_prompt=2", "--name", "run"]
RUN = "outputs/train/run"


def trained(sspo: Sspo, home: Path, path: str, *words: str) -> list[dict[str, object]]:
    """The rows of samples.jsonl, beside what `sspo samples` prints of the same run."""
    done = sspo(*SMOKE, "dataset=file", f"dataset.path={path}", *words)
    assert done.returncode == 0, done.stderr
    rows = list(jsonl.read(home / RUN / "samples.jsonl"))
    shown = sspo("samples", RUN).stdout
    assert any(str(row.get("rendered") or row["prompt"]).split("\n")[0] in shown for row in rows)
    return rows


def test_a_table_of_excel_trains(sspo: Sspo, tmp_path: Path) -> None:
    excel_csv(tmp_path / "mine.csv", [{"id": f"a{i}", "prompt": f"{i}+1=", "answer": f"0{i + 1}"} for i in range(9)])
    rows = trained(sspo, tmp_path, "mine.csv")
    assert {(row["problem"], row["prompt"]) for row in rows} <= {(f"a{i}", f"{i}+1=") for i in range(9)}
    settings = yaml.safe_load((tmp_path / RUN / "config.yaml").read_text())
    assert settings["dataset"]["kind"] == "file"


@pytest.mark.parametrize("shape", ["sharegpt", "messages"])
def test_conversations_train_as_the_chat_template_renders_them(sspo: Sspo, tmp_path: Path, shape: str) -> None:
    chat_folder(tmp_path / "chat", CHAT)
    model = ["model=local", "model.path=chat"]
    if shape == "sharegpt":
        talks = [
            {"conversations": [{"from": "human", "value": f"{i}+1="}, {"from": "gpt", "value": f"{i + 1}"}]}
            for i in range(9)
        ]
        (tmp_path / "mine.jsonl").write_text(lines(talks))
        words = ["dataset.prompt_field=conversations", "dataset.answer_field=null"]
        template = "<|im_start|>user\n{}+1=<|im_end|>\n<|im_start|>assistant\n"
    else:
        turns = [("system", "Add."), ("user", "{}+1="), ("assistant", ">")]
        messages = [[{"role": role, "content": text.format(i)} for role, text in turns] for i in range(9)]
        (tmp_path / "mine.jsonl").write_text(lines({"prompt": m, "answer": str(i + 1)} for i, m in enumerate(messages)))
        words = []
        template = "<|im_start|>system\nAdd.<|im_end|>\n<|im_start|>user\n{}+1=<|im_end|>\n<|im_start|>assistant\n>"
    rows = trained(sspo, tmp_path, "mine.jsonl", *model, *words)
    assert {row["rendered"] for row in rows} <= {template.format(i) for i in range(9)}


COLUMNS = """
import json

def score(prompt, response, answer, *, rendered, fields, other=3):
    with open("seen.jsonl", "a") as file:
        file.write(json.dumps([prompt, answer, rendered, fields, other]) + "\\n")
    return {"level": float(fields.pop("level"))}
"""


def test_a_parquet_trains_with_a_reward_that_reads_its_columns(sspo: Sspo, write: Write, tmp_path: Path) -> None:
    write("mine.py", COLUMNS)
    answers = [[f"{i}", f"{i}.0"] for i in range(9)]
    table = [{"id": 100 + i, "prompt": f"{i}=", "answer": answers[i], "level": i, "tags": ["x"]} for i in range(9)]
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "mine.parquet")
    rows = trained(sspo, tmp_path, "mine.parquet", "reward=python", "reward.path=mine.py", "dataset.system_prompt=null")
    assert {(row["problem"], row["prompt"]) for row in rows} <= {(str(row["id"]), row["prompt"]) for row in table}
    seen = [json.loads(line) for line in (tmp_path / "seen.jsonl").read_text().splitlines()]
    by_prompt = {row["prompt"]: row for row in table}
    assert len(seen) >= len(rows)
    for prompt, answer, rendered, fields, other in seen:
        assert fields == by_prompt[prompt] and answer == fields["answer"] and (rendered, other) == (prompt, 3)


def test_what_is_wrong_is_told_before_anything_is_made(sspo: Sspo, write: Write, tmp_path: Path) -> None:
    write("mine.jsonl", lines({"q": [{"from": "human", "value": "1"}], "prompt": f"{i}="} for i in range(9)))
    write("mine.py", "def score(prompt, response, answer, level):\n    return 0.0\n")
    mine = ["dataset=file", "dataset.path=mine.jsonl"]
    cases = {
        "mine.jsonl:1: no field 'answer' (it has: q, prompt); name yours with dataset.answer_field=, or": mine,
        "reward=exact: 9 problems have no answer to compare with (": [*mine, "dataset.answer_field=null"],
        "score has the parameter 'level': after prompt, response and answer there are fields and rendered; give it a": [
            *[*mine, "dataset.answer_field=null", "reward=python", "reward.path=mine.py"],
        ],
        "dataset.path=owner/name: not in the local cache (": ["dataset=hub", "dataset.path=owner/name"],
        "dataset.path=mine.jsonl: is a path on this machine; read it with dataset=file": ["dataset=hub", mine[1]],
        "dataset.kind=jsonl: is called file now; write dataset.kind=file": ["dataset.kind=jsonl"],
    }
    for expected, words in cases.items():
        done = sspo(*SMOKE, *words)
        assert done.returncode == 2 and expected in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


@pytest.mark.long
def test_a_data_set_of_the_hub_that_was_downloaded_before(sspo: Sspo, tmp_path: Path) -> None:
    splits = {name: tmp_path / f"{name}.jsonl" for name in ("learn", "hold")}
    for name, file in splits.items():
        file.write_text(lines({"prompt": f"{i}+{name}=", "answer": str(i)} for i in range(8)))
    builder = datasets.load_dataset_builder(
        "json", data_files={name: str(file) for name, file in splits.items()}, cache_dir=str(tmp_path / "made")
    )
    builder.download_and_prepare()
    cached = tmp_path / "cache" / "owner___name" / "default" / "0.0.0" / "abc"
    shutil.copytree(builder.cache_dir, cached)
    for file in cached.glob("json-*"):
        file.rename(file.with_name(file.name.replace("json-", "name-")))
    hub = ["dataset=hub", "dataset.path=owner/name"]
    bad = sspo(*SMOKE, *hub, HF_DATASETS_CACHE=str(tmp_path / "cache"))
    assert bad.returncode == 2 and 'split train): Unknown split "train". Should be one of' in bad.stderr
    hub += ["dataset.split=learn", "dataset.eval_split=hold"]
    done = sspo(*SMOKE, *hub, HF_DATASETS_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0 and "what is read is the newest version in the local cache" in done.stderr
    run = tmp_path / RUN
    assert {row["problem"] for row in jsonl.read(run / "samples.jsonl")} <= {f"learn:{i}" for i in range(8)}
    assert {row["prompt"] for row in jsonl.read(run / "eval.jsonl")} == {f"{i}+hold=" for i in range(8)}


def test_a_path_that_is_not_there_is_told_before_torch_is_imported(sspo: Sspo) -> None:
    words = [*SMOKE, "dataset=file", "dataset.path=no.csv", "dataset.eval_path=none.csv"]
    told, imported = imports_told(done := sspo(*words, PYTHONPROFILEIMPORTTIME="1"))
    assert done.returncode == 2 and [line.split(": no such file")[0] for line in told] == [
        "sspo: dataset.path=no.csv", "sspo: dataset.eval_path=none.csv",
    ]  # fmt: skip
    assert "sspo_cli" in imported and not {"torch", "transformers", "datasets", "pyarrow"} & imported


def test_a_run_of_an_earlier_version_goes_on(sspo: Sspo, write: Write, tmp_path: Path) -> None:
    """Its configuration says jsonl, and knows no ids."""
    write("mine.jsonl", lines({"id": 90 - i, "prompt": f"{i}+1=", "answer": i + 1} for i in range(9)))
    early = [*SMOKE, "dataset=jsonl", "dataset.path=mine.jsonl", "dataset.id_field=null", "train.save_every=1"]
    assert sspo(*early).returncode == 0
    run = tmp_path / RUN
    before = (run / "samples.jsonl").read_text()
    for name in ("config.yaml", "manifest.json"):
        text = (run / name).read_text()
        for old, now in (("kind: file", "kind: jsonl"), ("  id_field: null\n", "")):
            text = text.replace(old, now)
        if name == "manifest.json":
            content = json.loads(text)
            content["settings"]["dataset"]["kind"] = "jsonl"
            del content["settings"]["dataset"]["id_field"]
            text = json.dumps(content)
        (run / name).write_text(text)
    shutil.rmtree(run / "checkpoints" / "step_000002")
    (run / "STATUS").write_text("interrupted\n")
    whole = (run / "manifest.json").read_text()
    hashes = {**json.loads(whole)["hashes"], "evaluation_problems": "0" * 64}
    (run / "manifest.json").write_text(json.dumps({"hashes": hashes}))  # of the first version, which held out others
    others = sspo("train", "--resume", RUN)
    assert others.returncode == 2 and others.stderr.count("\n") == 1
    assert "held-out problems: SHA-256 000000000000... when the run began" in others.stderr
    (run / "manifest.json").write_text(whole)
    resumed = sspo("train", "--resume", RUN)
    assert resumed.returncode == 0, resumed.stderr
    assert [row["response"] for row in jsonl.read(run / "samples.jsonl")] == [
        json.loads(line)["response"] for line in before.splitlines()
    ]
    assert sspo("eval", RUN).returncode == 0


def imports_told(done: CompletedProcess[str]) -> tuple[list[str], set[str]]:
    """The lines of a command under PYTHONPROFILEIMPORTTIME, and the modules that it imported."""
    rows = done.stderr.splitlines()
    imported = {row.split("|")[-1].strip() for row in rows if row.startswith("import time:")}
    return [row for row in rows if not row.startswith("import time:")], imported


def test_what_is_not_there_is_told_before_torch_is_imported_by_grids_and_resumed_runs_too(
    sspo: Sspo, tmp_path: Path, made_runs: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(made_runs / "outputs/train/first", run)
    (run / "STATUS").write_text("interrupted\n")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["dataset"] = {**yaml.safe_load((CONF / "dataset/file.yaml").read_text()), "path": "gone.csv"}
    config["choices"]["dataset"] = "file"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    part = "{a: {dataset: file, path: no.csv}, addition: {}}"
    for words, begins in (
        (["train", "--resume", "run"], "sspo: dataset.path=gone.csv: no such file"),
        (["compare", "objective=grpo,sspo", "seed=0", "dataset=file", "dataset.path=no.csv"], "sspo: dataset.path=no"),
        (["sweep", "optim.lr=1,2", "dataset=mixture", f"dataset.parts={part}"], "sspo: dataset.parts.a.path=no.csv: "),
    ):
        told, imported = imports_told(done := sspo(*words, PYTHONPROFILEIMPORTTIME="1"))
        assert done.returncode == 2 and len(told) == 1 and told[0].startswith(begins), done.stderr[-2000:]
        assert "sspo_cli" in imported and not {"torch", "transformers", "pyarrow"} & imported
