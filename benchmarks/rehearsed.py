"""A rehearsed artifact beside llama.cpp on the same shape: ``make rehearse MODEL=phi`` calls it after the rehearsal.

Takes the random model and the artifact that ``olivepress rehearse --keep`` left, makes a Q4_0 GGUF of the same weights
and measures both in interleaved rounds. Adds to benchmarks/rehearsals/<model>.md and .json; without ``--keep`` it
removes what the rehearsal left.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from peers.make import Made, NotMade, make, peer_environment, runtime_python, with_session
from peers.rounds import Job, measure, tried
from peers.subjects import THREADS, Gguf, Subject
from peers.summary import median, paired_ratio
from peers.table import figure
from sections import replaced

from olivepress.core.layout import REHEARSALS
from olivepress.measure.tuning.record import UNTUNED
from olivepress.workflow.find_recipe import find_recipe

PROJECT = Path(__file__).parent.parent / ".venv-peers"
PROMPT, GENERATED, REPEATS, ROUNDS = 128, 32, 3, 3
LLAMA = Subject(name="llama.cpp Q4_0", title="llama.cpp Q4_0", runtime="llama_cpp", role="peer", build=Gguf(mix="q4_0"))


def job(model: Path, runtime: str) -> Job:
    spec = {
        "model": str(model), "threads": THREADS, "context": 512, "task": "speed", "tokens": GENERATED,
        "repeats": REPEATS, "prompt": [number * 7 for number in range(PROMPT)], "dtype": None,
    }  # fmt: skip
    python = runtime_python(runtime, PROJECT)
    return Job(python=python, module=f"peers.children.{runtime}", spec=spec, environment=peer_environment())


def jobs_of(artifact: Path, made: Made, scratch: Path) -> dict[str, Job]:
    """llama.cpp; the artifact as it was exported; as it was tuned, or told as many threads if nothing was found."""
    jobs = {LLAMA.name: job(made.model, LLAMA.runtime)}
    untuned = artifact / UNTUNED
    if untuned.is_file():
        shipped = json.loads(untuned.read_text(encoding="utf-8"))["model"]["decoder"]["session_options"]
        exported = with_session(artifact, scratch / "exported", lambda options: shipped)
        return jobs | {"as exported": job(exported, "onnx_genai"), "tuned": job(artifact, "onnx_genai")}
    told = with_session(artifact, scratch / "told", lambda options: options | {"intra_op_num_threads": THREADS})
    return jobs | {"as exported": job(artifact, "onnx_genai"), f"told {THREADS} threads": job(told, "onnx_genai")}


def markdown(record: dict[str, Any]) -> str:
    if "subjects" not in record:
        return f"## Beside llama.cpp\n\nNot measured: {record['reason']}."
    lines = [
        "## Beside llama.cpp",
        "",
        f"The same random weights as Q4_0, {THREADS} threads, prompt {PROMPT}, {GENERATED} generated tokens; "
        f"{record['rounds']} interleaved rounds, a fresh process each, median and 95 % bootstrap interval; ratios are "
        "paired by round. llama.cpp as its PyPI wheel is built (AVX2).",
        "",
        "| | decode tok/s | prefill tok/s | decode against llama.cpp | prefill against llama.cpp | peak memory |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, one in record["subjects"].items():
        cells = [figure(one[key], 3) for key in ("decode_tps", "prefill_tps", "decode_ratio", "prefill_ratio")]
        lines.append(f"| {name} | {' | '.join(cells)} | {one['peak_memory_bytes']['value'] / 1e9:.2f} GB |")
    return "\n".join(lines)


def measured(model: Path, artifact: Path, scratch: Path) -> dict[str, Any]:
    """The record of all rounds, or why llama.cpp cannot be set beside it."""
    try:
        made = make(LLAMA, model.resolve(), scratch, PROJECT)
    except NotMade as error:
        return {"value": None, "reason": str(error)}
    jobs = jobs_of(artifact, made, scratch)
    if failed := tried(jobs):
        raise SystemExit(f"{next(iter(failed.items()))}")
    found = measure(jobs, ROUNDS, THREADS, print).found
    theirs = found[LLAMA.name]
    subjects = {
        subject: {
            **{key: median([one[key] for one in ours]) for key in ("decode_tps", "prefill_tps", "peak_memory_bytes")},
            **{f"{key}_ratio": paired_ratio([one[f"{key}_tps"] for one in ours], [one[f"{key}_tps"] for one in theirs])
               for key in ("decode", "prefill")},
        }
        for subject, ours in found.items()
    }  # fmt: skip
    return {"rounds": ROUNDS, "threads": THREADS, "subjects": subjects}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as it was rehearsed")
    parser.add_argument("--keep", action="store_true", help="leave the random model and its artifacts")
    given = parser.parse_args()
    name = find_recipe(given.model)[0].name
    model, runs = Path("models", f"rehearsal-{name}"), Path("runs", f"rehearsal-{name}")
    artifact = (runs / "export-cpu-int4").resolve()
    if not artifact.is_dir():
        raise SystemExit(f"{runs / 'export-cpu-int4'} is not there; next: olivepress rehearse {given.model} --keep")
    with tempfile.TemporaryDirectory(dir=runs) as scratch:
        record = measured(model, artifact, Path(scratch).resolve())
    path = REHEARSALS / f"{name}.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"peers": record}, indent=2) + "\n")
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    path.with_suffix(".md").write_text(replaced(text, "peers", markdown(record)), encoding="utf-8")
    print(markdown(record))
    if not given.keep:
        shutil.rmtree(runs)
        shutil.rmtree(model)


if __name__ == "__main__":
    main()
