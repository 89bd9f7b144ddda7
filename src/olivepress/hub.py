"""Where the files of a model lie: its own directory, or the Hub cache that Olive downloaded it into."""

from __future__ import annotations

from pathlib import Path

from olivepress.errors import JobError
from olivepress.messages import next_command

__all__ = ["local_directory"]


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
