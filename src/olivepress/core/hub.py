"""Files of a model: its own directory, or the Hub cache of this machine, and what fetches them into it.

Access is the Hub client's own business (``HF_TOKEN``, ``hf auth login``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE``): no token
is read, shown or written here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from olivepress.core.bounded import CONFIG
from olivepress.core.errors import JobError, OlivepressError, RecipeError, SetupError
from olivepress.core.hub_errors import NO_ANSWER, access_error, reason_of, unreachable
from olivepress.core.messages import next_command

__all__ = ["CONFIG_FILE", "cached_config", "current_commit", "fetch", "fetch_config", "local_directory"]

CONFIG_FILE = "config.json"
_SECONDS = 10.0


def local_directory(model_path: str, revision: str | None = None) -> Path:
    """The directory with the files of ``model_path``; nothing is downloaded.

    Of a Hub id it is the snapshot in the cache, whose name is the commit. Raises JobError when it is not there.
    """
    if Path(model_path).is_dir():
        return Path(model_path)
    from huggingface_hub import snapshot_download

    folder = None
    with contextlib.suppress(*NO_ANSWER):
        folder = Path(snapshot_download(model_path, revision=revision, local_files_only=True))
    if folder is None or _has_config_only(folder):
        at = f" at {revision}" if revision else ""
        raise JobError(
            f"{model_path}{at}: no such directory and not in the Hub cache of this machine",
            next_step=f"{next_command('run')}, which downloads it, or hf download",
        )
    return folder


def fetch(model_path: str, revision: str | None, names: Sequence[str]) -> Path:
    """The snapshot of a Hub id with those of the named files that it has, downloaded as far as they are not here.

    Raises RecipeError for a model or revision that the Hub does not have, SetupError when it refuses access, JobError
    when it cannot be reached and the cache has no such snapshot.
    """
    from huggingface_hub import snapshot_download

    step = "check the network, the revision and HF_TOKEN, or give a local folder"
    try:
        folder = Path(snapshot_download(model_path, revision=revision, allow_patterns=list(names)))
    except NO_ANSWER as error:
        failed = JobError(f"{model_path}: cannot be fetched from the Hub ({reason_of(error)})", next_step=step)
        raise access_error(model_path, revision, error) or failed from error
    if _has_config_only(folder):  # the client gives what is in the cache where the Hub cannot be reached
        raise JobError(f"{model_path}: only its {CONFIG_FILE} is here, and the Hub cannot be reached", next_step=step)
    return folder


def cached_config(model_id: str, revision: str) -> Path | None:
    """config.json of a Hub id in the cache of this machine; its folder's name is the commit.

    Raises SetupError without the Hub's client.
    """
    _check_client()
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(model_id, CONFIG_FILE, revision=revision)
    return Path(path) if isinstance(path, str) else None


def current_commit(model_id: str, revision: str) -> str:
    """The commit that a revision of a Hub id names now: one request. Raises as ``fetch_config``."""
    _check_client()
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(model_id, revision=revision, timeout=_SECONDS).sha)
    except NO_ANSWER as error:
        raise _refused(model_id, revision, error) from error


def fetch_config(model_id: str, commit: str) -> Path:
    """config.json alone at a commit, from the cache or fetched into it; its size is checked before it is fetched.

    Raises RecipeError for a model, revision or file that the Hub does not have, SetupError when it refuses access or
    cannot be reached, or without its client.
    """
    _check_client()
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    if path := cached_config(model_id, commit):
        return path
    try:
        size = get_hf_file_metadata(hf_hub_url(model_id, CONFIG_FILE, revision=commit), timeout=_SECONDS).size
        if size is None or size > CONFIG:
            raise _too_large(model_id, size)
        with _without_progress_bar():
            return Path(hf_hub_download(model_id, CONFIG_FILE, revision=commit))
    except NO_ANSWER as error:
        raise _refused(model_id, commit, error) from error


def _check_client() -> None:
    if find_spec("huggingface_hub") is None:
        raise SetupError(
            "the Hub's client, huggingface_hub, is not installed", next_step="pip install 'olivepress[data]'"
        )


def _refused(model_id: str, revision: str, error: Exception) -> OlivepressError:
    return access_error(model_id, revision, error) or unreachable(model_id, revision, CONFIG_FILE, error)


def _too_large(model_id: str, size: int | None) -> RecipeError:
    shown = "of unknown size" if size is None else f"{size:,} bytes"
    return RecipeError(
        f"{model_id}: {CONFIG_FILE} is {shown}, expected at most {CONFIG:,}; it was not fetched",
        next_step="give the id of a Transformers model",
    )


def _has_config_only(folder: Path) -> bool:
    """Whether the snapshot is what ``fetch_config`` leaves: enough for a plan, no model."""
    return [path.name for path in folder.iterdir()] == [CONFIG_FILE]


@contextlib.contextmanager
def _without_progress_bar() -> Iterator[None]:
    """For a file of some kB."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    group = "huggingface_hub.http_get"
    shown = not are_progress_bars_disabled(group)
    if shown:
        disable_progress_bars(group)
    try:
        yield
    finally:
        if shown:
            enable_progress_bars(group)
