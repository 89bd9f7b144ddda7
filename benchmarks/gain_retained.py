"""What of a fine-tune's gain each target keeps, beside peers on the same merged weights: three tasks, three seeds.

    make gain-retained

Fine-tunes a real model on each task with each seed by olivepress itself, exports every CPU target, makes the peers'
files of the same merged weights, lets all of them answer the same test rows, and measures speed in interleaved rounds.
All that is finished is kept in the work folder under a key of what it depends on: kill it and start it again. Writes
benchmarks/gain_retained.json and .md; with a selection (--tasks, --seeds, --subjects, --rows, --rounds, --steps) it
prints only, and writes ``--out`` if given. The peers' environments are those of ``make peers``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from gain.answered import Questions, answers, outcomes, questions, tokenizer_differs
from gain.speed import GENERATED, METRICS, PROMPT, speed_rounds, summary
from gain.statistics import KEEPS, Answered, over_tasks, retained, verdict
from gain.subjects import BASE, MERGED, Answering, answering, job, names, titles
from gain.table import markdown
from gain.tasks import TASKS, Task
from gain.trained import FINETUNE, Trained, train
from pairs import Outcomes, difference, share
from peers.make import LLAMA_PACKAGES
from peers.subjects import THREADS
from sections import replaced, section_of

from olivepress.environments.lookup import environment
from olivepress.report.machine import fingerprint

OUT = Path(__file__).parent / "gain_retained.json"
PAGE, METHODS_SECTION = OUT.with_suffix(".md"), "methods"  # the section is written by methods.py
ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"
MODEL, FAMILY = "pypi:smollm2-135m-instruct", "smollm"
SEEDS, ROWS, ROUNDS = (0, 1, 2), 1000, 5
ALL_SEEDS = ("cpu-int4", "llama-q4_0", "llama-q4_k_m")  # the default and what it must beat; the others: the first seed
Answers = dict[str, Outcomes]  # by subject
# For the estimate: seconds of a fine-tune and of an export on two idle cores, and of one answer on one of them.
TRAINING_S, EXPORT_S, ANSWER_S = 800, 150, {"banking77": 0.15, "snips": 0.5, "device-command": 0.35}


def versions() -> dict[str, str]:
    """The packages that decide what a subject answers."""
    own = ("onnxruntime", "onnxruntime-genai", "olive-ai", "torch", "transformers", "peft")
    found = {name: importlib.metadata.version(name) for name in own}
    found |= dict(pin.split("==") for pin in LLAMA_PACKAGES[:2])
    pins = environment("openvino-build").pins
    return found | {name: pins[name] for name in ("openvino-genai", "nncf") if name in pins}


def estimate(tasks: Sequence[Task], seeds: Sequence[int], subjects: Sequence[str], rows: int, jobs: int = 2) -> str:
    """What a run from nothing takes on two idle cores, in words."""
    trainings = len(tasks) * len(seeds)
    made = sum(len(subjects_of(seed, seeds, subjects)) for seed in seeds)  # of one task
    answering_s = sum(ANSWER_S[task.name] for task in tasks) * rows * (made + len(seeds) + 1) / min(jobs, THREADS)
    seconds = trainings * TRAINING_S + len(tasks) * made * EXPORT_S + answering_s
    parts = f"{trainings} fine-tunes, {len(tasks) * made} exports, {rows} rows to answer for each"
    return f"{parts}: about {seconds / 3600:.1f} hours on two idle cores if nothing is finished yet"


def subjects_of(seed: int, seeds: Sequence[int], subjects: Sequence[str]) -> list[str]:
    """Those made of this seed's fine-tune."""
    return [name for name in subjects if seed == seeds[0] or name in ALL_SEEDS]


def one_fine_tune(
    trained: Trained, asked: Questions, subjects: Sequence[str], given: argparse.Namespace
) -> tuple[Answers, dict[str, Answering], dict[str, int | str]]:
    """Who of the subjects was right where, the subjects, and how many texts their runtimes tokenize otherwise."""
    work, environments = given.work, given.environments
    made = {name: answering(name, trained, work, environments) for name in subjects}
    jobs = {
        name: job(one, work, environments, threads=1, task="answers")
        for name, one in made.items() if one.model is not None
    }  # fmt: skip

    def answer(name: str) -> Outcomes | str:
        try:
            known = answers(jobs[name], asked, work, versions=versions())[0]
        except RuntimeError as error:  # what a child printed before it failed
            return f"it did not answer: {error}"
        return outcomes(known, asked, trained)

    found: Answers = {}
    with ThreadPoolExecutor(given.jobs) as pool:  # a child of one thread each: nothing waits for anything
        for name, result in zip(jobs, pool.map(answer, jobs), strict=True):
            if isinstance(result, str):
                made[name] = replace(made[name], model=None, note=result)
            else:
                found[name] = result
            print(f"{trained.name} {name}: {result if isinstance(result, str) else 'answered'}", flush=True)
    differ = {
        name: tokenizer_differs(jobs[name], asked, work, versions=versions())
        for name in found if made[name].role != "reference"
    }  # fmt: skip
    return found, made, differ


def one_task(
    task: Task, subjects: Sequence[str], given: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, Answered], dict[str, Answering]]:
    """The task's part of the record, the answers behind it, and the subjects of the first seed."""
    base: Outcomes | None = None
    by_seed: list[Answers] = []
    made: list[dict[str, Answering]] = []
    differ: dict[str, int | str] = {}
    for seed in given.seeds:
        trained = train(
            task, seed, given.work / "project", model=given.base_model, data=given.data,
            finetune=FINETUNE | ({"max_steps": given.steps} if given.steps else {}),
            suffix=f"-steps-{given.steps}" if given.steps else "",
        )  # fmt: skip
        asked = questions(trained, given.rows)
        wanted = [*([BASE] if base is None else []), MERGED, *subjects_of(seed, given.seeds, subjects)]
        found, own, other_ids = one_fine_tune(trained, asked, wanted, given)
        base = found.pop(BASE) if base is None else base
        differ |= {name: count for name, count in other_ids.items() if count}
        by_seed.append(found)
        made.append(own)
    assert base is not None
    if len({frozenset(one[MERGED]) for one in by_seed}) > 1:
        raise SystemExit(f"{task.name}: the seeds answered other rows")
    rows = {name: subject_row(name, base, by_seed, made) for name in subjects}
    answered = {name: row.pop("answered") for name, row in rows.items() if row["seeds"]}
    part = {
        "title": task.title, "test_rows": task.test_rows, "rows": len(base), "tokens": asked.tokens,
        "base": share(base), "merged": [share(one[MERGED]) for one in by_seed],
        "tokenized_otherwise": differ, "subjects": rows,
    }  # fmt: skip
    return part, answered, made[0]


def subject_row(
    name: str, base: Outcomes, by_seed: Sequence[Answers], made: Sequence[Mapping[str, Answering]]
) -> dict[str, Any]:
    """One subject on one task; without a value where a seed of it could not be made."""
    asked = [number for number, one in enumerate(made) if name in one]
    found = [made[number][name] for number in asked]
    reasons = list(dict.fromkeys(one.note for one in found if one.note))
    if not all(name in by_seed[number] for number in asked):
        missing = {"value": None, "reason": reasons[0] if reasons else "it could not be made"}
        return {"gain_kept": missing, "keeps": verdict(missing), "seeds": []}
    merged, own = ([by_seed[number][which] for number in asked] for which in (MERGED, name))
    answered = Answered(base=base, merged=merged, subject=own)
    kept, pairs = retained(answered), list(zip(merged, own, strict=True))
    return {
        "gain_kept": kept, "keeps": verdict(kept), "seeds": [share(one) for one in own],
        "to_merged": difference(pairs), "seed_differences": [difference([pair]) for pair in pairs],
        "run": {"state": run_state(found), "reasons": reasons}, "states": [run_state([one]) for one in found],
        "checks": [one.checks for one in found], "answered": answered,
    }  # fmt: skip


def run_state(made: Sequence[Answering]) -> str:
    """What ``olivepress run`` said of a target, of all seeds; a dash for a peer."""
    if made[0].role == "peer":
        return "–"
    refused = sum(bool(one.note) for one in made)
    if len(made) == 1 and refused:
        return "refused"
    return "passed" if not refused else f"refused {refused} of {len(made)}"


def run(given: argparse.Namespace) -> dict[str, Any]:
    tasks = [task for task in TASKS if task.name in given.tasks]
    subjects = [name for name in names() if name in given.subjects]
    print(estimate(tasks, given.seeds, subjects, given.rows, given.jobs), flush=True)
    parts: dict[str, Any] = {}
    answered: dict[str, dict[str, Answered]] = {}
    first: dict[str, Answering] = {}
    for task in tasks:
        parts[task.name], answered[task.name], made = one_task(task, subjects, given)
        first = first or made
    shown = {name: first[name] for name in [MERGED, *subjects]}
    rounds, failed = speed_rounds(shown, given.rounds, given.work, given.environments, versions())
    speeds = summary(rounds, failed)
    return {
        "machine": fingerprint().model_dump(mode="json"), "date": datetime.date.today().isoformat(),
        "versions": versions(), "model": Path(given.model).name, "finetune": FINETUNE, "seeds": given.seeds,
        "all_seeds": [name for name in subjects if name in ALL_SEEDS],
        "keeps": KEEPS, "threads": THREADS, "prompt_tokens": PROMPT, "generated_tokens": GENERATED,
        "rounds": given.rounds, "speed_model": f"{tasks[0].title}, seed {given.seeds[0]}",
        "disturbed": sum(one.disturbed for one in rounds), "noisy": sum(one.noisy for one in rounds),
        "ceilings": [one for several in rounds for one in several.ceilings], "merged_speed": speeds.get(MERGED),
        "subjects": {name: subject_record(first[name], answered, speeds) for name in subjects}, "tasks": parts,
    }  # fmt: skip


def subject_record(
    subject: Answering, answered: Mapping[str, Mapping[str, Answered]], speeds: Mapping[str, Any]
) -> dict[str, Any]:
    """What holds of a subject over all tasks."""
    name, missing = subject.name, {"value": None, "reason": subject.note or "not measured"}
    everywhere = all(name in task for task in answered.values())
    kept = over_tasks({task: found[name] for task, found in answered.items()}) if everywhere else missing
    size = missing if subject.size_on_disk_bytes is None else {"value": subject.size_on_disk_bytes}
    speed = dict.fromkeys((*METRICS, "decode_ratio"), missing) | speeds.get(name, {})
    return {
        "title": titles()[name],
        "role": subject.role,
        "gain_kept": kept,
        "keeps": verdict(kept),
        "size_on_disk_bytes": size,
        "speed": speed,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL, help="the base model, as a recipe names it")
    parser.add_argument("--family", help="of the model, where its files do not say; smollm for the default one")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the published data sets")
    parser.add_argument("--work", type=Path, default=ENVIRONMENTS / "gain", help="where all that is finished is kept")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="the peers' environments")
    parser.add_argument("--jobs", type=int, default=THREADS, help="subjects that answer side by side, a thread each")
    parser.add_argument("--tasks", nargs="+", choices=[task.name for task in TASKS], help="only these")
    parser.add_argument("--seeds", nargs="+", type=int, help="only these training seeds")
    parser.add_argument("--subjects", nargs="+", choices=names(), help="only these")
    parser.add_argument("--rows", type=int, help=f"test rows of a task, instead of {ROWS}")
    parser.add_argument("--rounds", type=int, help=f"of speed, instead of {ROUNDS}; 0: none")
    parser.add_argument("--steps", type=int, help="of each fine-tune, instead of the table's own number")
    parser.add_argument("--out", type=Path, help="where the record of a selection goes")
    given = parser.parse_args()
    chosen = ("tasks", "seeds", "subjects", "rows", "rounds", "steps")
    given.whole = all(getattr(given, name) is None for name in chosen)
    given.tasks, given.subjects = given.tasks or [task.name for task in TASKS], given.subjects or names()
    given.seeds, given.rows = given.seeds or list(SEEDS), given.rows or ROWS
    given.rounds = ROUNDS if given.rounds is None else given.rounds
    given.work, given.environments = given.work.resolve(), given.environments.resolve()
    path = str(Path(given.model).resolve()) if Path(given.model).is_dir() else given.model
    family = given.family or (FAMILY if given.model == MODEL else None)
    given.base_model = {"path": path} | ({"family": family} if family else {})
    return given


def write_page(text: str, page: Path) -> None:
    """Replace the page but for the section of methods.py."""
    methods = section_of(page.read_text(encoding="utf-8"), METHODS_SECTION) if page.is_file() else ""
    page.write_text(replaced(text, METHODS_SECTION, methods) if methods else text, encoding="utf-8")


def main() -> None:
    given = arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    record = run(given)
    text = json.dumps(record, indent=1) + "\n"
    if given.whole:
        OUT.write_text(text, encoding="utf-8")
        write_page(markdown(record), PAGE)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    print(markdown(record))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
