"""Where the files of a model are: its own directory, or the Hub cache that Olive downloaded it into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from olivepress.core.errors import JobError
from olivepress.core.messages import next_command

__all__ = ["fetch", "local_directory"]


def local_directory(model_path: str, revision: str | None = None) -> Path:
    """The directory with the files of ``model_path``; nothing is downloaded.

    Of a Hub id it is the snapshot in the cache, whose name is the commit. Raises JobError when it is not there.
    """
    if Path(model_path).is_dir():
        return Path(model_path)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model_path, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError):
        at = f" at {revision}" if revision else ""
        raise JobError(
            f"{model_path}{at}: no such directory and not in the Hub cache of this machine",
            next_step=f"{next_command('run')}, which downloads it, or hf download",
        ) from None


def fetch(model_path: str, revision: str | None, names: Sequence[str]) -> Path:
    """The snapshot of a Hub id with those of the named files that it has, downloaded as far as they are not here.

    Raises JobError when the Hub cannot be reached and the cache has no such snapshot, or the Hub refuses.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model_path, revision=revision, allow_patterns=list(names)))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError) as error:
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise JobError(
            f"{model_path}: cannot be fetched from the Hub ({reason})",
            next_step="check the network, the revision and HF_TOKEN, or give a local folder",
        ) from error
