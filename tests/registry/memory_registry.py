"""A registry in memory with the interface of ``MlflowRegistry``, which can die at any of its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from olivepress.registry.mlflow_registry import Registered, Version

WRITES = (
    "create_model", "create_version", "keep_version", "delete_version", "set_alias", "delete_alias", "set_tag",
    "delete_tag", "take_lock", "release_lock",
)  # fmt: skip


class MemoryRegistry:
    def __init__(self) -> None:
        self.models = dict[str, Registered]()
        self.locks = dict[str, str]()

    def read(self, name: str) -> Registered:
        if name in self.locks:
            return Registered(exists=True, aliases={}, tags={}, versions={})
        return self.models.get(name, Registered(aliases={}, tags={}, versions={}))

    def names(self) -> dict[str, Mapping[str, str]]:
        return {name: model.tags for name, model in self.models.items()}

    def create_model(self, name: str, recipe: str, target: str) -> None:
        tags = {"olivepress.recipe": recipe, "olivepress.target": target}
        self.models.setdefault(name, Registered(exists=True, aliases={}, tags=tags, versions={}))

    def create_version(self, name: str, artifact_sha256: str, tags: Mapping[str, str], text: str) -> int:
        number = self.read(name).tags.get("highest", "0")
        made = int(number) + 1
        version = Version(number=made, artifact_sha256=artifact_sha256, is_new=True)
        model = self.read(name)
        self._change(name, versions={**model.versions, made: version}, tags={**model.tags, "highest": str(made)})
        return made

    def keep_version(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        versions = self.read(name).versions
        self._change(name, versions={**versions, version: replace(versions[version], is_new=False)})

    def delete_version(self, name: str, version: int) -> None:
        model = self.read(name)
        self._change(
            name,
            versions={number: each for number, each in model.versions.items() if number != version},
            aliases={alias: number for alias, number in model.aliases.items() if number != version},
        )

    def set_alias(self, name: str, alias: str, version: int) -> None:
        self._change(name, aliases={**self.read(name).aliases, alias: version})

    def delete_alias(self, name: str, alias: str) -> None:
        self._change(name, aliases={key: each for key, each in self.read(name).aliases.items() if key != alias})

    def set_tag(self, name: str, key: str, value: str) -> None:
        self._change(name, tags={**self.read(name).tags, key: value})

    def delete_tag(self, name: str, key: str) -> None:
        self._change(name, tags={each: value for each, value in self.read(name).tags.items() if each != key})

    def take_lock(self, name: str, holder: str) -> str | None:
        if name in self.locks:
            return self.locks[name]
        self.locks[name] = holder
        return None

    def release_lock(self, name: str) -> None:
        self.locks.pop(name, None)

    def _change(self, name: str, **changes: Any) -> None:
        self.models[name] = replace(self.models[name], **changes)


class Steps:
    """Counts the steps of what it wraps; dies at step ``last``, before it is done or, in the second half, after it."""

    def __init__(self, last: int | None, error: BaseException) -> None:
        self.last, self.error, self.count = last, error, 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self._reach()
            result = function(*arguments, **named)
            self._reach()
            return result

        return call

    def _reach(self) -> None:
        self.count += 1
        if self.last is not None and self.count >= self.last:
            raise self.error
