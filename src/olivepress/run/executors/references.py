"""What a run needs of the store, and what it leaves there: its files for the next run, and nothing of others."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from olivepress import __version__
from olivepress.core.files import write_secret
from olivepress.core.layout import CLUSTER_SECRET
from olivepress.run.executors.artifacts import inputs_of, send
from olivepress.run.executors.specs import FileRef, JobSpec, TaskKind
from olivepress.run.executors.store import Store

__all__ = ["Run"]

_LONGEST = 150  # characters of the name of a run


@dataclass(kw_only=True)
class Run:
    """One run of recipes of this project. ``name`` is the same for each run of the same recipes; what a run needed is
    kept for the next one under ``kept_as``."""

    store: Store
    name: str
    kept_as: str
    needed: set[str] = field(default_factory=set)
    taken: list[str] = field(default_factory=list)  # keys of results that are in their place here
    parts: int = 0
    seal: str = field(default="", repr=False)

    @classmethod
    def begin(cls, store: Store, recipes: Sequence[str], *, kept_as: str = "") -> Run:
        """What the last run needed stays until the end of this one. ``kept_as``: by default the recipes."""
        secret = _secret()
        project = hashlib.sha256(secret.encode()).hexdigest()[:16]
        name = _short(f"{project}-{'+'.join(recipes)}")  # no name of a recipe has that sign
        return cls(store=store, name=name, kept_as=_short(f"{project}-{kept_as}") if kept_as else name, seal=secret)

    def refer(self, refs: Iterable[FileRef]) -> None:
        """Before they are uploaded: objects that nobody refers to may be removed."""
        new = {ref.sha256 for ref in refs} - self.needed
        if new:
            self.needed |= new
            self.parts += 1
            self.store.refer(f"{self.name}.now{self.parts}", new)

    def send(self, paths: Iterable[Path]) -> tuple[FileRef, ...]:
        """Upload the files at and below ``paths`` that are not in the store; errors as ``inputs_of``."""
        refs = inputs_of(paths)
        self.refer(refs)
        send(self.store, refs)
        return refs

    def spec(
        self, task: TaskKind, *, id: str, key: str, topic: str, inputs: tuple[FileRef, ...], fields: Mapping[str, Any]
    ) -> JobSpec:
        """What a worker is told of a job of this run, on whose ``topic`` it reports; ``task`` says how to read
        ``fields``."""
        return JobSpec(
            version=__version__,
            id=id,
            key=key,
            task=task,
            store=self.store.url,
            store_id=self.store.id,
            topic=topic,
            seal=self.seal,
            inputs=inputs,
            fields=dict(fields),
        )

    def took(self, key: str, refs: Iterable[FileRef]) -> None:
        """The result of a job is in its place: its files are inputs of the next jobs."""
        self.refer(refs)
        self.taken.append(key)

    def end(self) -> None:
        """Results that were taken go, and objects that no run needs any more."""
        for key in self.taken:
            self.store.remove(f"results/{key}.json")
        if self.needed:
            self.store.refer(self.kept_as, self.needed)
        self.forget()
        self.store.collect()

    def forget(self) -> None:
        """What this run needed, and earlier ones of its name that were killed, is not needed on its account."""
        own = re.compile(rf"{re.escape(self.name)}\.now[0-9]+\.json")
        for name in self.store.names("references"):
            if own.fullmatch(name):
                self.store.remove(f"references/{name}")


def _short(name: str) -> str:
    """As a part of the name of a file: many recipes are told apart by a hash of their names."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _secret() -> str:
    """Of this project alone; it goes to workers with their jobs, and never into the store."""
    if not CLUSTER_SECRET.is_file():
        with contextlib.suppress(FileExistsError):  # of a run that begins at the same moment
            write_secret(CLUSTER_SECRET, secrets.token_hex(32).encode())
    return CLUSTER_SECRET.read_text(encoding="utf-8").strip()[:128]
