"""Results that workers leave in the store: an answer that is lost on its way is not a job to be done again.

Each is sealed with the secret of the project that the job came with: who can write to the store alone cannot put an
artifact of his own in its place.
"""

from __future__ import annotations

import hashlib
import hmac
import json

from pydantic import ValidationError

from olivepress.core.bounded import parse_json
from olivepress.run.executors.specs import JobSpec, Outcome
from olivepress.run.executors.store import Store

__all__ = ["keep_result", "kept_result"]


def keep_result(store: Store, spec: JobSpec, outcome: Outcome) -> None:
    """Written last, when every file of it is in the store."""
    text = outcome.model_dump_json()
    record = {"outcome": text, "seal": _seal(spec, text), "files": [{"sha256": ref.sha256} for ref in outcome.files]}
    store.write(f"results/{spec.key}.json", json.dumps(record))


def kept_result(store: Store, spec: JobSpec) -> Outcome | None:
    """What an earlier try finished; None where there is none, it is not sealed by this project, or files are gone."""
    try:
        record = store.read(f"results/{spec.key}.json")
        if record is None:
            return None
        fields = parse_json(record)
        text = str(fields["outcome"])
        if not hmac.compare_digest(str(fields["seal"]), _seal(spec, text)):
            return None
        outcome = Outcome.model_validate_json(text)
    except (ValueError, KeyError, TypeError, ValidationError):
        return None
    if (outcome.id, outcome.key) != (spec.id, spec.key) or not all(map(store.has, outcome.files)):
        return None
    return outcome.model_copy(update={"reused": True})


def _seal(spec: JobSpec, text: str) -> str:
    return hmac.new(spec.seal.encode(), f"{spec.key}\n{text}".encode(), hashlib.sha256).hexdigest()
