"""The trials of one artifact: each setting in a folder of links, each result kept until the search is over."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from olivepress.catalog.session_axes import Options
from olivepress.core.errors import JobError, OlivepressError
from olivepress.measure.bench_session import Sitting
from olivepress.measure.cpu_stand_in import linked_copy
from olivepress.measure.latency.latency import Workload
from olivepress.measure.tuning.search import Run
from olivepress.measure.tuning.trial import Seen, TrialSpec
from olivepress.runtimes.chat_template.prompts import context_length
from olivepress.runtimes.session_space import with_options

__all__ = ["trials_of", "workload_for"]

PROMPT_TOKENS, GENERATED_TOKENS = 128, 48


def workload_for(model_dir: Path) -> Workload:
    """128 prompt tokens and 48 generated, less where the context is shorter. JobError when it holds no 4 tokens."""
    limit = context_length(model_dir) or PROMPT_TOKENS + GENERATED_TOKENS
    if limit < 4:
        raise JobError(f"{model_dir}: a context of {limit} tokens is too short to measure")
    generated = max(min(GENERATED_TOKENS, limit // 4), 2)
    return Workload(prompt_tokens=max(min(PROMPT_TOKENS, limit // 2), 1), generated_tokens=generated)


def trials_of(sitting: Sitting, model_dir: Path, config_text: str, spec: TrialSpec) -> tuple[Run, Callable[[], float]]:
    """(run, spent): trials of the model in ``model_dir`` with ``config_text`` as its shipped genai_config.json.

    Results are kept in the sitting: what a killed search finished is not run again, and counts as spent.
    """
    began, made = time.monotonic(), set[Path]()

    def run(options: Options, axis: str, number: int, left_s: float) -> Seen:
        view = sitting.folder / "views" / hashlib.sha256(options.text.encode()).hexdigest()[:16]
        if view not in made:
            made.add(linked_copy(model_dir, view, {"genai_config.json": with_options(config_text, options)}))
        asked = spec.model_copy(
            update={"model_dir": view, "entries": tuple(options.session), "axis": axis, "round": number}
        )
        try:
            found = sitting.run("trial", asked.model_dump(mode="json"), timeout_s=left_s)
        except OlivepressError as error:
            told = error.message.replace(f"{view}: ", "").replace(str(view), "the model")
            raise type(error)(told, next_step=error.next_step) from error
        return Seen.model_validate({name: found[name] for name in Seen.model_fields})

    return run, lambda: max(sitting.seconds, time.monotonic() - began)
