"""What the Hub answers instead of a file: one line each, and what to type next."""

from __future__ import annotations

from olivepress.core.errors import OlivepressError, RecipeError, SetupError
from olivepress.core.layout import HUB_COMMITS

__all__ = ["NO_ANSWER", "access_error", "reason_of", "unreachable"]

NO_ANSWER = (OSError, ValueError)
"""What the Hub client raises: HTTP errors and no connection are OSErrors, a malformed id or answer is a ValueError."""

_LOG_IN = "hf auth login, or set HF_TOKEN"
_LONGEST = 160


def access_error(model_id: str, revision: str | None, error: Exception) -> OlivepressError | None:
    """RecipeError for what the Hub does not have, SetupError for what it does not give; None when it did not answer."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    cause = _cause(error)
    if isinstance(cause, GatedRepoError):
        return SetupError(
            f"{model_id}: a gated model, and this machine has no access to it",
            next_step=f"accept its license at {constants.ENDPOINT}/{model_id}, then {_LOG_IN}",
        )
    if isinstance(cause, RepositoryNotFoundError):
        return RecipeError(
            f"{model_id}: not on the Hub, or private and this machine has no access to it",
            next_step=f"correct the id; for a private model: {_LOG_IN}",
        )
    if isinstance(cause, RevisionNotFoundError):
        return RecipeError(
            f"{model_id}: no revision {revision!r} on the Hub",
            next_step=f"correct model.revision in the recipe, or the entry in {HUB_COMMITS.as_posix()}",
        )
    if isinstance(cause, EntryNotFoundError) and not isinstance(cause, LocalEntryNotFoundError):
        return RecipeError(
            f"{model_id}: no config.json in it, expected a Transformers model (a GGUF or ONNX model has none)",
            next_step="give the model that it was converted from",
        )
    if (status := _status(cause)) in (401, 403):
        return SetupError(f"{model_id}: the Hub refuses access ({status})", next_step=_LOG_IN)
    return None


def unreachable(model_id: str, revision: str, name: str, error: Exception) -> SetupError:
    """For a file that is not in the cache either, with the command that fetches it."""
    at = "" if revision == "main" else f" --revision {revision}"
    return SetupError(
        f"{model_id}: its {name} is not in the Hub cache of this machine, and the Hub cannot be reached "
        f"({reason_of(error)})",
        next_step=f"with a network: hf download {model_id} {name}{at}",
    )


def reason_of(error: Exception) -> str:
    """Why there is no answer, in a few words."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    cause = _cause(error)
    if isinstance(cause, OfflineModeIsEnabled):
        return "offline mode is enabled by HF_HUB_OFFLINE"
    if status := _status(cause):
        return f"it answers {status}"
    name = type(cause).__name__
    if name in ("ConnectionError", "ConnectTimeout", "ReadTimeout"):
        return "no connection"
    return f"{name}: {str(cause).strip().split(chr(10))[0][:_LONGEST]}"


def _cause(error: Exception) -> BaseException:
    """The client looks into its cache where a request failed, and then reports that the file is not there."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
