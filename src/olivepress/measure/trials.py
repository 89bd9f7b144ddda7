"""The trials of one artifact: each setting in a folder of links, each result stored until the search ends."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from olivepress.catalog.session_axes import Options
from olivepress.core.errors import JobError, OlivepressError
from olivepress.measure.bench_session import BenchSession
from olivepress.measure.latency.latency import Workload
from olivepress.measure.tuning.search import RunTrial
from olivepress.measure.tuning.trial import TrialResult, TrialSpec
from olivepress.runtimes.chat_template.model_config import context_length
from olivepress.runtimes.linked_copy import linked_copy
from olivepress.runtimes.session_space import with_options

__all__ = ["trials_of", "workload_for"]

PROMPT_TOKENS, GENERATED_TOKENS = 128, 48


def workload_for(model_dir: Path) -> Workload:
    """128 prompt tokens and 48 generated, less where the context is shorter. JobError below a context of 4 tokens."""
    limit = context_length(model_dir) or PROMPT_TOKENS + GENERATED_TOKENS
    if limit < 4:
        raise JobError(f"{model_dir}: a context of {limit} tokens is too short to measure")
    generated = max(min(GENERATED_TOKENS, limit // 4), 2)
    return Workload(prompt_tokens=max(min(PROMPT_TOKENS, limit // 2), 1), generated_tokens=generated)


def trials_of(
    session: BenchSession, model_dir: Path, config_text: str, spec: TrialSpec
) -> tuple[RunTrial, Callable[[], float]]:
    """(run, spent): trials of the model in ``model_dir`` with ``config_text`` as its shipped genai_config.json.

    Results are stored in the session: trials that an interrupted search finished are not run again, and count as spent.
    """
    start, copies = time.monotonic(), set[Path]()

    def run(options: Options, axis: str, number: int, left_s: float) -> TrialResult:
        view = session.folder / "views" / hashlib.sha256(options.text.encode()).hexdigest()[:16]
        if view not in copies:
            copies.add(linked_copy(model_dir, view, {"genai_config.json": with_options(config_text, options)}))
        trial = spec.model_copy(
            update={"model_dir": view, "entries": tuple(options.session), "axis": axis, "round": number}
        )
        try:
            result = session.run("trial", trial.model_dump(mode="json"), timeout_s=left_s)
        except OlivepressError as error:
            message = error.message.replace(f"{view}: ", "").replace(str(view), "the model")
            raise error.with_message(message) from error
        return TrialResult.model_validate({name: result[name] for name in TrialResult.model_fields})

    return run, lambda: max(session.seconds, time.monotonic() - start)
