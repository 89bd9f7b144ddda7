"""What else gates read of the artifact that is promoted: safety results, filled sheets, its card, logs of its use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from olivepress.abtest.records import Artifact
from olivepress.core.artifact import read_manifest
from olivepress.core.layout import job_dir, model_card, safety_result
from olivepress.registry.case import Champion
from olivepress.safety.results import CanaryRank, SafetyResult, write_result
from tests.abtest.sheets import fill, for_a, planted, write
from tests.registry.project import JOB, base_sha256, recipe_with
from tests.safety.test_comparison import planted as asked


def sha256(job: str = JOB) -> str:
    return read_manifest(job_dir("lamps", job)).sha256


def requires(**promote: Any) -> dict[str, Any]:
    return {"recipe": recipe_with(promote={"allow": ["synthetic data"], **promote})}


def write_safety(failures: dict[str, int] | None = None, **own: Any) -> None:
    """Of the artifact, in which so many prompts of each category fail, and of its parent and the base model, in which
    none does."""
    results = {
        JOB: asked(JOB, failures, **({"recipe": "lamps", "artifact_sha256": sha256()} | own)),
        "merge": asked("merge", recipe="lamps", artifact_sha256=sha256("merge")),
        "base": asked("base", recipe="lamps", artifact_sha256=base_sha256()),
    }
    for job, result in results.items():
        write_asked(job, result)


def write_asked(job: str, result: SafetyResult) -> None:
    path = safety_result("lamps", job)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_result(result, path)


def ranks(rank: int, count: int = 8) -> tuple[CanaryRank, ...]:
    """Canaries among 128 texts of their form."""
    return tuple(CanaryRank(id=f"canary:{n}", rank=rank, of=128, completed=False) for n in range(count))


def write_votes(wins: int, losses: int, champion: Champion, *, n: int = 20, name: str = "one") -> Path:
    """A filled sheet of the artifact and the champion with its key."""
    sheet, key = planted(n)
    ours, theirs = Artifact(name="tuned", sha256=sha256()), Artifact(name="old", sha256=champion.artifact_sha256)
    key = key.model_copy(update={"a": ours, "b": theirs})
    folder = Path("abtests", name)
    folder.mkdir(parents=True)
    (folder / "key.json").write_text(key.model_dump_json())
    return write(fill(sheet, for_a(key, wins, losses)), folder / "votes-ada.json")


def write_card(text: str) -> None:
    path = model_card("lamps", JOB)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_log(answers: list[str], artifact: str) -> None:
    lines = [{"prompt": "on?", "answer": answer, "artifact": artifact} for answer in answers]
    with Path("use.jsonl").open("a") as log:
        log.writelines(json.dumps(line) + "\n" for line in lines)
