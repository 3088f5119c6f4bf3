"""`python -m benchmarks.gpu`: the engine on one GPU, beside TRL on equal work.

The model has the shape of Qwen2.5-0.5B (494M parameters, bfloat16 products, float32 weights) and random weights, the
rollout the shape of the recipe gsm8k: 64 prompts, 8 responses each, at most 512 tokens, 4 updates. Random weights
hardly ever end a response, so that both sides handle the same number of tokens. The run is `sspo train` itself, killed
after its middle checkpoint and resumed. Writes docs/evidence/gpu.json and docs/evidence/gpu.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.machine import environment
from benchmarks.workload import Workload

ROOT = Path(__file__).parents[1]
# Prompts of GSM8K have about 100 tokens.
WORKLOAD = Workload(
    hidden=896,
    intermediate=4864,
    layers=24,
    heads=14,
    vocabulary=151_936,
    prompts=64,
    samples_per_prompt=8,
    prompt_length=(64, 128),
    max_response_length=512,
    mean_response_share=None,
    updates=4,
)
KEY_VALUE_HEADS = 2
# TRL's logits of one pass: 16 sequences of 512 tokens of 151,936 logits in float32 take 5 GB.
TRL_PASSES_PER_UPDATE = 8
NOT_RUN = (
    "## Not run: the model's own weights on GSM8K",
    "",
    "This command runs 20 steps of the recipe, interrupts them after 200 s, resumes the run, and prints the tokens per"
    " second and the memory of every step. It needs the model and the dataset in the local cache.",
    "",
    "```",
    "timeout -s INT 200 sspo recipe run gsm8k_qwen2.5_0.5b name=gpu train.steps=20 train.save_every=5; \\",
    "sspo train --resume outputs/train/gpu && \\",
    "grep -oE '\"(step|throughput/[a-z_]+|memory/peak_gib)\": [0-9.e+]+' outputs/train/gpu/metrics.jsonl",
    "```",
)
TRL_SIDES = {"float32 weights": "float32", "bfloat16 weights": "bfloat16"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--steps", type=int, default=20, help="rollout steps of the run")
    parser.add_argument("--trl-steps", type=int, default=2, help="of TRL, after one to warm up")
    parser.add_argument("--side", choices=("sspo", "trl"), help="measure this one and keep what is known of the other")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "evidence", help="folder of gpu.json and gpu.md")
    parser.add_argument("--render", action="store_true", help="measure nothing: gpu.md of gpu.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(trl_rows(json.loads(options.child))))
        return 0
    file = options.to / "gpu.json"
    if not options.render:
        options.to.mkdir(parents=True, exist_ok=True)
        known = json.loads(file.read_text()) if options.side and file.exists() else {}
        steps = {"sspo": options.steps, "trl": options.trl_steps}
        measure({side: steps[side] for side in steps if options.side in (None, side)}, known, file)
    text = page(json.loads(file.read_text()))
    (options.to / "gpu.md").write_text(text)
    print(text)
    return 0


def measure(steps: dict[str, int], known: dict[str, Any], file: Path) -> None:
    """Every side of `steps`; each is written to `file`, beside what is `known`, as soon as it is measured."""
    import torch

    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no GPU here")
    card = torch.cuda.get_device_properties(0)
    found: dict[str, Any] = {
        "environment": {
            **environment(torch.get_num_threads()),
            "card": card.name,
            "card_memory_gib": card.total_memory / 2**30,
            "torch": torch.__version__,
        },
        "workload": WORKLOAD.to_dict(),
        "trl": known.get("trl", {}),
        "sspo": known.get("sspo"),
    }
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "model"
        found["parameters"] = write(folder)
        if "sspo" in steps:
            found["sspo"] = train_and_resume(Path(root), folder, steps["sspo"])
            file.write_text(json.dumps(found, indent=1) + "\n")
        for name, dtype in TRL_SIDES.items() if "trl" in steps else ():
            found["trl"][name] = child({"folder": str(folder), "steps": steps["trl"], "dtype": dtype})
            file.write_text(json.dumps(found, indent=1) + "\n")


def write(folder: Path) -> int:
    """A folder with the model, a tokenizer of as many tokens, and prompts.jsonl; the number of parameters."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from benchmarks.checkpoint import STOP, make_tokenizer, prompts
    from benchmarks.workload import SEED

    torch.manual_seed(SEED)
    config = Qwen2Config(
        vocab_size=WORKLOAD.vocabulary,
        hidden_size=WORKLOAD.hidden,
        intermediate_size=WORKLOAD.intermediate,
        num_hidden_layers=WORKLOAD.layers,
        num_attention_heads=WORKLOAD.heads,
        num_key_value_heads=KEY_VALUE_HEADS,
        max_position_embeddings=WORKLOAD.positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=STOP,
        pad_token_id=0,
        dtype="float32",
    )
    model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    make_tokenizer(WORKLOAD.vocabulary).save_pretrained(folder)
    lines = (json.dumps({"prompt": prompt, "answer": ""}) for prompt in prompts(WORKLOAD))
    (folder / "prompts.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return int(model.num_parameters())


def train_and_resume(home: Path, folder: Path, steps: int) -> dict[str, Any]:
    """Rows of `sspo train`, which is killed after the checkpoint of its middle step and resumed."""
    middle = steps // 2
    words = [
        "objective=sspo",
        *WORKLOAD.overrides(folder, Path(__file__).with_name("reward.py")),
        f"train.steps={steps}",
        f"train.save_every={middle}",
        f"train.eval_every={steps}",
        "eval.problems=8",
        "eval.samples=1",
        "engine.device=cuda",
        "name=gpu",
    ]
    run = home / "outputs" / "train" / "gpu"
    command = [sys.executable, "-m", "sspo_cli", "train"]
    first = subprocess.Popen([*command, *words], cwd=home, env=surroundings(), stdout=subprocess.DEVNULL)
    while first.poll() is None and not (run / "checkpoints" / f"step_{middle:06d}" / "sspo_checkpoint.json").exists():
        time.sleep(0.2)
    first.send_signal(signal.SIGKILL)
    first.wait()
    begun = time.perf_counter()
    subprocess.run(
        [*command, "--resume", str(run)], cwd=home, env=surroundings(), check=True, stdout=subprocess.DEVNULL
    )
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {"rows": rows, "resumed_after": middle, "resumed_s": time.perf_counter() - begun}


def surroundings() -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"}


def child(job: dict[str, Any]) -> dict[str, Any]:
    """TRL's rows of a process of its own, or the last line of what it wrote when it failed."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--child", json.dumps(job)]
    done = subprocess.run(command, env=surroundings(), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def trl_rows(job: dict[str, Any]) -> dict[str, Any]:
    import torch

    from benchmarks import trl_side
    from benchmarks.workload import SEED

    trainer = trl_side.build(
        WORKLOAD,
        Path(job["folder"]),
        torch.get_num_threads(),
        job["steps"] + 1,
        None,
        SEED,
        TRL_PASSES_PER_UPDATE,
        device="cuda",
        dtype=job["dtype"],
    )
    trainer.train()
    return {"rows": trainer.rows[1:], "peak_gib": torch.cuda.max_memory_allocated() / 2**30}


def page(found: dict[str, Any]) -> str:
    """gpu.md."""
    about, work, rows = found["environment"], Workload.from_dict(found["workload"]), found["sspo"]["rows"][1:]
    tokens = work.responses * work.max_response_length
    ours = {
        "rollout": median(row["time/rollout_s"] + row["time/reward_s"] for row in rows[1:]),
        "update": median(row["time/update_s"] for row in rows[1:]),
        "peak": max(row["memory/peak_gib"] for row in rows),
    }
    lines = ["| | rollout s | update s | rollout tokens/s | update tokens/s | peak GiB |", "|---|---|---|---|---|---|"]
    lines.append(line("sspo", ours["rollout"], ours["update"], tokens, work, ours["peak"]))
    for name, side in found["trl"].items():
        if "error" in side:
            lines.append(f"| TRL, {name} | {side['error']} | | | | |")
            continue
        trl = [median(row[key] for row in side["rows"]) for key in ("rollout_s", "update_s", "scoring_s")]
        lines.append(line(f"TRL, {name}", trl[0], trl[1] + trl[2], tokens, work, side["peak_gib"]))
    notes = [line for note in found.get("notes", ()) for line in (note, "")]
    gaps = [row["rollout/logp_gap_mean"] for row in rows]
    resumed = found["sspo"]["resumed_after"]
    return "\n".join(
        [
            "# One GPU",
            "",
            "`python -m benchmarks.gpu` wrote this page. The model has the shape of Qwen2.5-0.5B and random"
            f" weights: {found['parameters'] / 1e6:.0f}M parameters in float32, with matrix products in bfloat16.",
            f"One step has {work.prompts} prompts of {work.prompt_length[0]} to {work.prompt_length[1]} tokens,"
            f" {work.samples_per_prompt} responses of {work.max_response_length} tokens to each, and {work.updates}"
            " updates.",
            "",
            f"Card: {about['card']} ({about['card_memory_gib']:.0f} GiB). torch {about['torch']}, transformers"
            f" {about['transformers']}, TRL {about['trl']}, Python {about['python']}; {about['date']}.",
            "",
            *lines,
            "",
            f"The times are medians over steps: {len(rows) - 1} of `sspo train` and {trl_count(found)} of TRL, without"
            " the first step of each. TRL's update includes its pass for the old log-probabilities. The tokens of"
            " rollout and update are response tokens.",
            "",
            f"The run was killed (SIGKILL) after the checkpoint of step {resumed} and resumed to step"
            f" {int(rows[-1]['step'])}. Each step is in metrics.jsonl once. The log-probabilities of sampler and"
            f" trainer differ by {min(gaps):.1e} to {max(gaps):.1e} nats on average over a step.",
            "",
            *notes,
            *NOT_RUN,
            "",
        ]
    )


def line(name: str, rollout_s: float, update_s: float, tokens: int, work: Workload, peak_gib: float) -> str:
    return (
        f"| {name} | {rollout_s:.1f} | {update_s:.1f} | {tokens / rollout_s:,.0f} | {tokens / update_s:,.0f}"
        f" | {peak_gib:.1f} |"
    )


def trl_count(found: dict[str, Any]) -> int:
    return max((len(side.get("rows", ())) for side in found["trl"].values()), default=0)


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


if __name__ == "__main__":
    sys.exit(main())
