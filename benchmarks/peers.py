"""olivepress's int4 beside other runtimes: speed, size, memory, and what each lost, in one run on one machine.

    make peers

Prefill multiplies each weight with all tokens of the prompt at once: arithmetic bounds it. Decode reads all weights for
one token: memory bandwidth bounds it, and the table says which share of it each runtime reaches. The speed model has
random weights of a real shape, made here; what quantization lost is measured on trained weights, the embedded model or
``--trained``. Peers get environments of their own below ``--project``. Writes benchmarks/peers.json and a section of
benchmarks/README.md; with ``--subjects`` or ``--rounds`` changed only ``--out``, if given.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import hashlib
import importlib.metadata
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llama_shape import LLAMA
from peers.fidelity_run import METRICS, against_parent, parent
from peers.make import LLAMA_PACKAGES, Made, NotMade, make, peer_environment, runtime_python
from peers.profile import profile
from peers.rounds import Job, Rounds, measure, run_job, tried
from peers.subjects import THREADS, AsIs, Subject, chosen
from peers.summary import GOALS, goal_row, median, no_worse, share_of_bandwidth
from peers.table import markdown
from peers.texts import calibration_dataset, corpus_texts, file_texts, token_ids
from sections import write_section

from olivepress.report.machine import fingerprint
from olivepress.synthetic import make_random_model, weight_bytes
from olivepress.synthetic.embedded import TINY_PHI

OUT = Path(__file__).parent / "peers.json"
PROJECT = Path(__file__).parent.parent / ".venv-peers"
SHAPE = LLAMA | {"intermediate_size": 3584, "num_key_value_heads": 8}  # every width a multiple of 256, as K-quants need
PROMPT, GENERATED, REPEATS, ROUNDS, TEXTS = 128, 64, 3, 5, 256
PROFILED = "cpu-int4-2t"  # whose kernels are told, or the last of ours
UNTUNED = "cpu-int4"  # shown, and no goal's: half of the threads
CONTEXT = 1024  # tokens that llama.cpp's cache is made for


def job(subject: Subject, made: Made, project: Path) -> Job:
    spec = {
        "model": str(made.model), "threads": THREADS, "context": CONTEXT, "task": "speed", "tokens": GENERATED,
        "repeats": REPEATS, "prompt": [number * 7 for number in range(PROMPT)],
        "dtype": subject.build.dtype if isinstance(subject.build, AsIs) else None,
    }  # fmt: skip
    python = runtime_python(subject.runtime, project)
    return Job(python=python, module=f"peers.children.{subject.runtime}", spec=spec, environment=peer_environment())


def made_of(
    subjects: tuple[Subject, ...], model: Path, out: Path, project: Path, calibration: Path | None = None
) -> dict[str, Made | str]:
    """By name: what was made, or why not."""
    found: dict[str, Made | str] = {}
    for subject in subjects:
        try:
            found[subject.name] = make(subject, model, out, project, calibration)
        except NotMade as error:
            found[subject.name] = str(error)
        print(f"{out.name} {subject.name}: {'made' if isinstance(found[subject.name], Made) else found[subject.name]}")
    return found


def divergences(subjects: tuple[Subject, ...], made: Mapping[str, Made | str], model: Path, texts: list[list[int]],
                project: Path) -> dict[str, dict[str, Any]]:  # fmt: skip
    """KL and top-1 of each subject, made of the trained model, against that model in PyTorch."""
    reference = parent(model, texts, project)
    found = {}
    for subject in subjects:
        one = made[subject.name]
        if isinstance(one, str):
            found[subject.name] = {name: {"value": None, "reason": one} for name in METRICS}
            continue
        task = job(subject, one, project)
        key = json.dumps([one.build, versions()], sort_keys=True)
        kept = reference / f"{subject.runtime}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"
        if not kept.is_file():
            lost = against_parent(
                reference, lambda out, task=task: run_job(task, task="logits", texts=texts, out=str(out))
            )
            kept.write_text(json.dumps(lost), encoding="utf-8")
        found[subject.name] = json.loads(kept.read_text(encoding="utf-8"))
        print(f"{subject.name}: KL {found[subject.name]['kl_divergence'].get('value')}")
    return found


def subject_record(subject: Subject, made: Made | str, rounds: Rounds, ceiling: float, lost: Mapping[str, Any]) -> Any:
    results = rounds.found.get(subject.name, [])
    by_metric = {name: [one[name] for one in results] for name in ("decode_tps", "prefill_tps", "peak_memory_bytes")}
    reason = {"value": None, "reason": made if isinstance(made, str) else "not measured"}
    found: dict[str, Any] = {"title": subject.title, "role": subject.role, **lost, "rounds": by_metric}
    found |= {name: median(values) if values else reason for name, values in by_metric.items()}
    read = made if isinstance(made, str) else made.read_bytes
    size = reason if isinstance(made, str) else {"value": made.size_on_disk_bytes}
    share = share_of_bandwidth(by_metric["decode_tps"], read, ceiling) if results else reason
    return found | {"read_bytes": read, "size_on_disk_bytes": size, "bandwidth_share": share}


def goals(subjects: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each goal for each of our subjects, with whether it lost no more than the goal's peer."""
    rows = []
    for goal in GOALS:
        for name, ours in subjects.items():
            if ours["role"] != "ours" or name == UNTUNED:
                continue
            measured = ours if ours["rounds"]["decode_tps"] else None
            peer = subjects.get(goal.peer or "")
            row = goal_row(goal, measured, peer if peer and peer["rounds"]["decode_tps"] else None)
            lost = no_worse(ours["kl_divergence"], peer["kl_divergence"]) if peer else None
            rows.append(row | {"subject": ours["title"], "kl_no_worse": lost})
    return rows


@functools.cache
def versions() -> dict[str, str]:
    names = ("onnxruntime", "onnxruntime-genai", "olive-ai", "torch", "transformers")
    found = {name: importlib.metadata.version(name) for name in names}
    found |= dict(pin.split("==") for pin in LLAMA_PACKAGES[:2])
    python = runtime_python("openvino_genai", PROJECT)
    command = [str(python), "-c", "import importlib.metadata as m; print(m.version('openvino-genai'))"]
    return found | {"openvino-genai": subprocess.run(command, capture_output=True, text=True).stdout.strip()}


def llama_cpp_features() -> list[str]:
    """The instructions that the wheel's build of llama.cpp uses."""
    command = [str(runtime_python("llama_cpp", PROJECT)), "-c",
               "import json; from peers.children.llama_cpp import features; print(json.dumps(features()))"]  # fmt: skip
    done = subprocess.run(command, env=peer_environment(), check=True, capture_output=True, text=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(given: argparse.Namespace) -> dict[str, Any]:
    project, subjects = given.project.resolve(), chosen(given.subjects)
    speed, trained = project / "models" / "speed", (given.trained or TINY_PHI).resolve()
    speed.parent.mkdir(parents=True, exist_ok=True)
    make_random_model(SHAPE, speed, seed=0, dtype="float32")
    made = made_of(subjects, speed, project / "speed", project)
    calibration = given.calibration.resolve() if given.calibration else calibration_dataset(project)
    made_trained = made_of(subjects, trained, project / f"trained-{trained.name}", project, calibration)
    texts = token_ids(trained, file_texts(given.texts, TEXTS) if given.texts else corpus_texts(TEXTS))
    lost = divergences(subjects, made_trained, trained, texts, project)
    by_name = {subject.name: subject for subject in subjects}
    jobs = {name: job(by_name[name], one, project) for name, one in made.items() if isinstance(one, Made)}
    if given.rounds:
        made |= tried(jobs)
    jobs = {name: one for name, one in jobs.items() if isinstance(made[name], Made)}
    rounds = measure(jobs, given.rounds, THREADS, print)
    ceiling = max(rounds.ceilings, key=lambda one: one["read_bytes_per_s"], default=None)
    bandwidth = ceiling["read_bytes_per_s"] if ceiling else 0.0
    records = {one.name: subject_record(one, made[one.name], rounds, bandwidth, lost[one.name])
               for one in subjects}  # fmt: skip
    ours = [one for one in subjects if one.role == "ours" and one.name in jobs]
    profiled = next((one for one in ours if one.name == PROFILED), ours[-1] if ours else None)
    kernels = None
    if profiled and given.rounds:
        kernels = {"subject": profiled.title} | profile(jobs[profiled.name], GENERATED, REPEATS)
    return {
        "machine": fingerprint().model_dump(mode="json"), "date": datetime.date.today().isoformat(),
        "versions": versions(), "llama_cpp_features": llama_cpp_features(),
        "threads": THREADS, "prompt_tokens": PROMPT, "generated_tokens": GENERATED,
        "rounds": given.rounds, "repeats": REPEATS, "disturbed": rounds.disturbed, "noisy": rounds.noisy,
        "speed_model": {
            "random_weights": True, "shape": SHAPE, "parameters": weight_bytes(SHAPE, dtype="float32") // 4,
        },
        "trained_model": {
            "name": trained.name if given.trained else "the embedded tiny-phi",
            "texts": len(texts), "tokens": sum(map(len, texts)),
            "source": given.texts.name if given.texts else "the synthetic corpus, drawn with another seed",
        },
        "ceiling": ceiling, "subjects": records, "goals": goals(records), "kernels": kernels,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=PROJECT, help="where environments and models are kept")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="0: fidelity and sizes only")
    parser.add_argument("--subjects", nargs="+", help="only these")
    parser.add_argument("--trained", type=Path, help="a trained Hugging Face folder, instead of the embedded model")
    parser.add_argument("--texts", type=Path, help="with --trained: a file of texts, an empty line between them")
    parser.add_argument("--calibration", type=Path, help="with --trained: a dataset of olivepress data prepare")
    parser.add_argument("--out", type=Path, help="where the record of a partial run goes")
    given = parser.parse_args()
    if len({given.trained is None, given.texts is None, given.calibration is None}) > 1:
        parser.error("--trained, --texts and --calibration belong together: the corpus is the embedded model's")
    record = run(given)
    enough = given.rounds >= ROUNDS or (given.rounds == 0 and not OUT.is_file())
    whole = given.subjects is None and given.trained is None and enough
    out = given.out or (OUT if whole else None)
    if out:
        out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if whole:
        write_section("peers", markdown(record))
    print(markdown(record))


if __name__ == "__main__":
    main()
