"""The submitting side's connection to a Dask scheduler: workers, tasks, events."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from olivepress.core.errors import SetupError
from olivepress.run.executors.needs import Announcement
from olivepress.run.executors.perform import perform

__all__ = ["Cluster", "Ended", "Lost", "Seen", "new_topic"]

ANSWER_S = 30.0  # of a scheduler on a busy machine
_STOPS_S, _LATE_S = 15.0, 0.5


class Lost(Exception):
    """The scheduler does not answer any more; what was submitted is unknown to it from now on."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A worker that the scheduler knows; ``announcement`` is None of one that olivepress did not start."""

    address: str
    announcement: Announcement | None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A task that has ended: ``text`` is what ``perform`` returned, or ``error`` why it returned nothing."""

    name: str
    text: str = ""
    error: str = ""


class Cluster:
    """In a ``with`` block. ``security`` as ``security_of``; ``wait_s`` is how long a scheduler that is gone is waited
    for."""

    def __init__(self, address: str, security: Any, *, topic: str, wait_s: float = 120.0) -> None:
        self.address, self.topic, self.wait_s = address, topic, wait_s
        self._security = security
        self._client: Any = None
        self._futures = dict[str, Any]()
        self._events = deque[Mapping[str, Any]](maxlen=10_000)
        self._active = set[str]()  # jobs that run on a worker, as far as was heard
        self._count = 0

    def __enter__(self) -> Cluster:
        self._connect(ANSWER_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _connect(self, timeout_s: float) -> None:
        """SetupError when nobody answers."""
        from distributed import Client

        for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it is raised again, in one line
        try:
            self._client = Client(
                self.address,
                security=self._security,
                timeout=timeout_s,
                set_as_default=False,
                name="olivepress",
            )
            self._client.subscribe_topic(self.topic, self._on_event)
        except Exception as error:  # Dask raises OSError, TimeoutError and errors of its own
            self._close()
            reason = str(error).split("\n")[0] or type(error).__name__
            raise SetupError(
                f"--scheduler {self.address}: no scheduler answers ({reason})",
                next_step="start one with dask scheduler (docs/cluster.md), or check the address and certificates",
            ) from error

    def _close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close(timeout=2)
            self._client = None

    def reconnect(self) -> None:
        """After ``Lost``: to the same address, as soon as a scheduler is there again. SetupError after ``wait_s``."""
        self._futures.clear()
        self._active.clear()
        self._close()
        end = time.monotonic() + self.wait_s
        while True:
            try:
                self._connect(min(ANSWER_S, max(1.0, end - time.monotonic())))
                return
            except SetupError:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.5)

    def _on_event(self, event: Any) -> None:
        message = event[1]
        if not isinstance(message, dict):
            return
        self._events.append(message)
        if message.get("event") == "started":
            self._active.add(str(message.get("job")))
        elif message.get("event") == "ended":
            self._active.discard(str(message.get("job")))

    # --- workers -----------------------------------------------------------------------------------------------------

    def workers(self) -> list[Seen]:
        """Every worker of the moment. Lost when the scheduler is gone."""
        try:
            known = self._client.scheduler_info(n_workers=-1)["workers"]
        except Exception as error:
            raise Lost(str(error)) from error
        said = {address: _announcement(facts.get("olivepress")) for address, facts in known.items()}
        return [Seen(address=address, announcement=announcement) for address, announcement in said.items()]

    # --- tasks -------------------------------------------------------------------------------------------------------

    def submit(self, name: str, text: str, resources: Mapping[str, float], only: Sequence[str] = ()) -> None:
        """Hand a job to any worker that has the resources, or to one of those at the addresses ``only``."""
        self._count += 1
        try:
            self._futures[name] = self._client.submit(
                perform,
                text,
                key=f"{self.topic}-{self._count}-{name}",
                resources=dict(resources),
                workers=list(only) or None,
                allow_other_workers=False,
                retries=0,
                pure=False,
            )
        except Exception as error:
            raise Lost(str(error)) from error

    def ended(self) -> list[Ended]:
        """Tasks that have ended since the last call. Lost when the connection is."""
        ended = []
        for name, future in [(name, future) for name, future in self._futures.items() if future.done()]:
            if future.status in ("cancelled", "lost") or self._client.status != "running":
                raise Lost("the scheduler is gone")
            ended.append(self._collect(name, future))
            del self._futures[name]
            self._active.discard(name)  # its worker may have died before it said so
        if self._client.status in ("closed", "closing"):
            raise Lost("the scheduler is gone")
        return ended

    def _collect(self, name: str, future: Any) -> Ended:
        try:
            return Ended(name=name, text=str(future.result(timeout=60)))
        except Exception as error:
            if self._client.status != "running":
                raise Lost(str(error)) from error
            return Ended(name=name, error=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")

    def events(self) -> list[Mapping[str, Any]]:
        """What workers have reported since the last call."""
        events = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def drop(self, name: str) -> None:
        """Cancel one task; its worker ends the job's process."""
        future = self._futures.pop(name, None)
        if future is not None:
            with contextlib.suppress(Exception):
                future.cancel(force=True)

    def stop(self) -> bool:
        """Cancel everything, and wait until the workers have ended the jobs that run; whether all of them said so."""
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._futures.values()), force=True)
        self._futures.clear()
        began = time.monotonic()
        while time.monotonic() - began < _STOPS_S:
            if not self._active and time.monotonic() - began >= _LATE_S:
                return True
            time.sleep(0.05)
        self._active.clear()  # a search goes on: what did not answer now does not answer the next time either
        return False


def _announcement(facts: Any) -> Announcement | None:
    """What a worker said of itself; None for one that says nothing that can be read."""
    if not isinstance(facts, dict):
        return None
    try:
        return Announcement.model_validate(facts, strict=False)
    except ValidationError:
        return None


def new_topic() -> str:
    """A name for the events of one run."""
    return f"olivepress-{secrets.token_hex(8)}"
