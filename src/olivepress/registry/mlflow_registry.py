"""MLflow's model registry: one registered model read as one record, and the writes that a promotion is made of."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice, takewhile
from typing import Any

from olivepress.core.errors import OlivepressError, SetupError, whole_message
from olivepress.track.embedded import create_embedded
from olivepress.track.store import Store, without_paths, without_secrets

__all__ = ["CHALLENGER", "CHAMPION", "HEAD", "PENDING", "SHA256", "MlflowRegistry", "Registered", "Version"]

CHAMPION, CHALLENGER = "champion", "challenger"
HEAD = "olivepress.head"  # hash of the last line of the audit log
PENDING = "olivepress.pending"  # the line of a move that is not finished
SHA256, STATE = "olivepress.artifact_sha256", "olivepress.state"
NEW, KNOWN = "new", "registered"
_LOCK = "olivepress.lock"
_LONGEST = 4000  # characters of a tag's value; the column of a team's database has 5,000
# MLflow's own patience with a server that does not answer is many minutes. What the user set stays.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


@dataclass(frozen=True, kw_only=True)
class Version:
    """``is_new``: no line of the log has named it yet."""

    number: int
    artifact_sha256: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A registered model as it is in the registry; without versions where it is not there."""

    exists: bool = False
    aliases: Mapping[str, int]
    tags: Mapping[str, str]
    versions: Mapping[int, Version]

    def version_of(self, artifact_sha256: str) -> int | None:
        """The newest version of an artifact."""
        numbers = [each.number for each in self.versions.values() if each.artifact_sha256 == artifact_sha256]
        return max(numbers, default=None)


class MlflowRegistry:
    """Every method raises SetupError when the registry is not there, or refuses."""

    def __init__(self, store: Store) -> None:
        self._store = store
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        with self._errors():
            from mlflow import MlflowClient

            logging.getLogger("mlflow").setLevel(logging.WARNING)  # it reports every table that it creates
            if store.is_embedded:
                create_embedded()
            self._client = MlflowClient(store.uri, registry_uri=store.uri)

    def read(self, name: str) -> Registered:
        with self._errors():
            model = self._model(name)
            if model is None:
                return Registered(aliases={}, tags={}, versions={})
            versions = {int(each.version): _version(each) for each in self._versions(name)}
            # Of a deleted version an alias may stay behind (mlflow/mlflow#24825).
            aliases = {alias: int(number) for alias, number in model.aliases.items() if int(number) in versions}
            return Registered(exists=True, aliases=aliases, tags=_whole(model.tags), versions=versions)

    def names(self) -> dict[str, Mapping[str, str]]:
        """Name → tags of every registered model that olivepress made."""
        with self._errors():
            found, token = dict[str, Mapping[str, str]](), None
            while True:
                page = self._client.search_registered_models(max_results=100, page_token=token)
                found |= {each.name: dict(each.tags) for each in page if "olivepress.recipe" in each.tags}
                token = page.token
                if not token:
                    return found

    def create_model(self, name: str, recipe: str, target: str) -> None:
        """Nothing where it is there already."""
        with self._errors():
            if self._model(name) is None:
                tags = {"olivepress.recipe": recipe, "olivepress.target": target}
                text = f"Artifacts of the recipe {recipe} for the target {target}, promoted by olivepress."
                self._client.create_registered_model(name, tags, text)

    def create_version(self, name: str, artifact_sha256: str, tags: Mapping[str, str], text: str) -> int:
        """A version that refers to the artifact by its hash: models are not copied into MLflow."""
        with self._errors():
            made = self._client.create_model_version(
                name,
                f"olivepress://artifact/{artifact_sha256}",
                run_id=self._run_of(artifact_sha256),
                tags={**tags, SHA256: artifact_sha256, STATE: NEW},
                description=text,
            )
            return int(made.version)

    def keep_version(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        """The version is no longer new."""
        with self._errors():
            for key, value in {**tags, STATE: KNOWN}.items():
                self._client.set_model_version_tag(name, str(version), key, value)

    def delete_version(self, name: str, version: int) -> None:
        with self._errors():
            self._client.delete_model_version(name, str(version))

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """The one write that makes a promotion."""
        with self._errors():
            self._client.set_registered_model_alias(name, alias, str(version))

    def delete_alias(self, name: str, alias: str) -> None:
        with self._errors():
            self._client.delete_registered_model_alias(name, alias)

    def set_tag(self, name: str, key: str, value: str) -> None:
        """A long value is spread over several tags, ``key`` itself written last: without it the others are nothing."""
        parts = [value[start : start + _LONGEST] for start in range(_LONGEST, len(value), _LONGEST)]
        with self._errors():
            for part, text in zip(_more(key), parts, strict=False):
                self._client.set_registered_model_tag(name, part, text)
            self._delete_more(name, key, keep=len(parts))
            self._client.set_registered_model_tag(name, key, value[:_LONGEST])

    def delete_tag(self, name: str, key: str) -> None:
        with self._errors():
            self._client.delete_registered_model_tag(name, key)
            self._delete_more(name, key, keep=0)

    def _delete_more(self, name: str, key: str, *, keep: int) -> None:
        """What a longer value before, or a process that was killed, has left."""
        tags = self._client.get_registered_model(name).tags
        for part in islice(_parts_there(key, tags), keep, None):
            self._client.delete_registered_model_tag(name, part)

    def take_lock(self, name: str, holder: str) -> str | None:
        """Create a registered model that stands for a lock: two cannot have one name. The holder that has it, if it is
        taken; None when it is ours now."""
        from mlflow.exceptions import MlflowException

        with self._errors():
            try:
                self._client.create_registered_model(name, {_LOCK: holder}, "A promotion is running.")
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                lock = self._model(name)
                return str(lock.tags.get(_LOCK, "")) if lock is not None else ""
            return None

    def release_lock(self, name: str) -> None:
        with self._errors():
            if self._model(name) is not None:
                self._client.delete_registered_model(name)

    def _model(self, name: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _versions(self, name: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_model_versions(f"name='{name}'", max_results=100, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _run_of(self, artifact_sha256: str) -> str | None:
        """The run that made the artifact, where its record was sent to this store."""
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(MlflowException):
            experiment = self._client.get_experiment_by_name(self._store.experiment)
            if experiment is not None:
                where = f"tags.`{SHA256}` = '{artifact_sha256}'"
                runs = self._client.search_runs([experiment.experiment_id], where, max_results=1)
                return next((str(run.info.run_id) for run in runs), None)
        return None

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Whatever MLflow, its database driver or its transport raise."""
        try:
            yield
        except OlivepressError:
            raise
        except Exception as error:
            reason = without_paths(without_secrets(whole_message(error)))[:200]
            step = "start the registry, then the same command: what was begun is then finished or taken back"
            raise SetupError(f"registry {self._store.name}: {reason}", next_step=step) from error


def _more(key: str) -> Iterator[str]:
    """The tags that go on with a value that is too long for one."""
    return (f"{key}.{number}" for number in count(1))


def _whole(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags, each with what goes on with it."""
    return {key: text + "".join(tags[more] for more in _parts_there(key, tags)) for key, text in tags.items()}


def _parts_there(key: str, tags: Mapping[str, str]) -> Iterator[str]:
    return takewhile(tags.__contains__, _more(key))


def _version(found: Any) -> Version:
    return Version(
        number=int(found.version),
        artifact_sha256=str(found.tags.get(SHA256, "")),
        is_new=found.tags.get(STATE) == NEW,
    )
