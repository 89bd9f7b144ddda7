"""Decode rate, prefill and peak memory on one merged model, in interleaved rounds; each finished round is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peers.rounds import Job, Rounds, measure_round, tried
from peers.subjects import THREADS
from peers.summary import median, paired_ratio

from gain.subjects import Answering, job
from gain.work import content_key, key_of, read_record, write_record

__all__ = ["GENERATED", "METRICS", "PROMPT", "RATIO_TO", "speed_rounds", "summary"]

PROMPT, GENERATED, REPEATS = 128, 64, 3
METRICS = ("decode_tps", "prefill_tps", "peak_memory_bytes")
RATIO_TO = "llama-q4_0"


def speed_jobs(subjects: Mapping[str, Answering], work: Path, environments: Path) -> dict[str, Job]:
    """A child for each subject that could be made."""
    prompt = [number * 7 for number in range(PROMPT)]
    return {
        name: job(one, work, environments, threads=THREADS, task="speed", prompt=prompt, tokens=GENERATED,
                  repeats=REPEATS)
        for name, one in subjects.items() if one.model is not None
    }  # fmt: skip


def speed_rounds(
    subjects: Mapping[str, Answering], rounds: int, work: Path, environments: Path, versions: Mapping[str, str]
) -> tuple[list[Rounds], dict[str, str]]:
    """All rounds, those that are there already as they were measured; and why subjects that failed did."""
    jobs = speed_jobs(subjects, work, environments)
    models = {name: content_key(Path(one.spec["model"]), work / "hashes") for name, one in jobs.items()}
    key = key_of(models, {name: dict(one.spec) | {"model": ""} for name, one in jobs.items()}, versions)
    files = [work / "speed" / f"{key}-{number}.json" for number in range(rounds)]
    known = [read_record(file, key) for file in files]
    failed: dict[str, str] = {}
    if not all(known):
        failed = tried(jobs)
        jobs = {name: one for name, one in jobs.items() if name not in failed}
    for number, record in enumerate(known):
        if record is None:
            measured = Rounds()
            measure_round(jobs, number, THREADS, print, measured)
            known[number] = write_record(files[number], key, dataclasses.asdict(measured) | {"failed": failed})
    found = [record for record in known if record is not None]
    failed = next((record["failed"] for record in found), failed)
    fields = [field.name for field in dataclasses.fields(Rounds)]
    return [Rounds(**{name: record[name] for name in fields}) for record in found], failed


def summary(rounds: list[Rounds], failed: Mapping[str, str]) -> dict[str, Any]:
    """Each subject's medians, and its decode rate against llama.cpp's Q4_0 in the same rounds."""
    names = dict.fromkeys(name for one in rounds for name in one.found)
    by_name = {name: [one.found[name][0] for one in rounds if name in one.found] for name in names}
    found: dict[str, Any] = {}
    for name, results in by_name.items():
        found[name] = {metric: median([one[metric] for one in results]) for metric in METRICS}
        found[name]["rounds"] = {metric: [one[metric] for one in results] for metric in METRICS}
        if RATIO_TO in by_name and len(by_name[RATIO_TO]) == len(results):
            pairs = ([one["decode_tps"] for one in several] for several in (results, by_name[RATIO_TO]))
            found[name]["decode_ratio"] = paired_ratio(*pairs)
    for name, reason in failed.items():
        found[name] = {metric: {"value": None, "reason": reason} for metric in METRICS}
    return found
