"""The same rows answered greedily by every subject: same token ids in, same end tokens, same budget of new tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.rounds import Job, run_job

from gain.trained import Trained, last_line
from gain.work import content_key, key_of, read_record, write_record
from olivepress.data.store.reader import read_split
from olivepress.measure.quality.accuracy import answer_budget
from olivepress.measure.quality.few_shot import add_shots
from olivepress.runtimes.chat_template.model_config import eos_token_ids
from olivepress.runtimes.chat_template.prompts import encode_parts, render_prompt

__all__ = ["FORMAT", "Questions", "answers", "outcomes", "questions", "tokenizer_differs"]

FORMAT = 1  # of how children answer: answers of another one are given again
CHECKED_TEXTS = 200  # whose ids the runtime's own tokenizer is asked for


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What every subject of a task is given: rows as {id, prompt: token ids}, the answers expected, at most ``tokens``
    new ones up to one of ``ends``; ``texts`` are rendered rows with their ids, to ask a runtime's tokenizer."""

    rows: tuple[Mapping[str, Any], ...]
    expected: Mapping[str, str]
    tokens: int
    ends: tuple[int, ...]
    texts: tuple[tuple[str, Sequence[int]], ...]

    @property
    def key(self) -> str:
        return key_of(list(self.rows), self.tokens, self.ends, FORMAT)


def tokenizer_of(model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


def questions(trained: Trained, limit: int, *, shots: int = 0) -> Questions:
    """``limit`` test rows, spread evenly over the split, rendered and tokenized as the merged model was trained; each
    after the same ``shots`` examples of the training split."""
    tokenizer = tokenizer_of(trained.merged)

    def encode(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    rows = add_shots(trained.dataset, read_split(trained.dataset, "test", limit=limit).rows, shots)
    prompts = {row.id: render_prompt(trained.merged, row.messages, row.tools) for row in rows}
    return Questions(
        rows=tuple({"id": name, "prompt": encode_parts(encode, one.prefix_parts)} for name, one in prompts.items()),
        expected={name: one.answer for name, one in prompts.items()},
        tokens=answer_budget([len(encode_parts(encode, one.completion_parts)) for one in prompts.values()]),
        ends=eos_token_ids(trained.merged),
        texts=tuple((one.full, encode(one.full)) for one in list(prompts.values())[:CHECKED_TEXTS]),
    )


def answers(job: Job, asked: Questions, work: Path, *, versions: Mapping[str, str]) -> tuple[dict[str, list[int]], str]:
    """Row → token ids, and the name of the file they are kept in. Only rows without an answer are asked."""
    model = content_key(Path(job.spec["model"]), work / "hashes")
    key = key_of(model, asked.key, job.module, job.spec.get("dtype"), versions)
    file = work / "answers" / f"{key}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    known = read_answers(file)
    missing = [row for row in asked.rows if row["id"] not in known]
    if missing:
        began = time.monotonic()
        run_job(job, task="answers", rows=missing, tokens=asked.tokens, ends=asked.ends, out=str(file.resolve()))
        spent = {"what": job.module, "rows": len(missing), "seconds": round(time.monotonic() - began, 1), "key": key}
        with (work / "spent.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(spent) + "\n")
        known = read_answers(file)
    return {row["id"]: known[row["id"]] for row in asked.rows}, file.name


def read_answers(file: Path) -> dict[str, list[int]]:
    """What is in the file; the line that a kill cut is taken out of it."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    whole, known = list[str](), dict[str, list[int]]()
    for line in lines:
        try:
            name, ids = json.loads(line)
        except ValueError:
            continue
        whole.append(line)
        known[name] = ids
    if len(whole) < len(lines):
        file.write_text("".join(line + "\n" for line in whole), encoding="utf-8")
    return known


def outcomes(given: Mapping[str, Sequence[int]], asked: Questions, trained: Trained) -> dict[str, bool]:
    """Row → right or wrong. Every subject's tokens are decoded by the same tokenizer and judged by the same rule."""
    tokenizer = tokenizer_of(trained.merged)
    texts = {name: tokenizer.decode(list(ids), skip_special_tokens=True) for name, ids in given.items()}
    return {name: trained.task.is_right(text, asked.expected[name]) for name, text in texts.items()}


def tokenizer_differs(job: Job, asked: Questions, work: Path, *, versions: Mapping[str, str]) -> int | str:
    """How many of the rendered texts get other ids from the tokenizer that the runtime itself has, or why that cannot
    be asked; asked once."""
    texts = [[text, list(ids)] for text, ids in asked.texts]
    key = key_of(content_key(Path(job.spec["model"]), work / "hashes"), texts, versions)
    file = work / "tokenizers" / f"{key}.json"
    record = read_record(file, key)
    if record is None:
        try:
            differ = run_job(job, task="tokenize", texts=texts)["differ"]
        except RuntimeError as error:
            return f"its tokenizer does not answer: {last_line(str(error))}"
        record = write_record(file, key, {"differ": differ})
    return len(record["differ"])
