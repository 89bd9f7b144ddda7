"""A worker: serves one scheduler, waits for it when it goes, and ends its jobs with itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import time
from collections.abc import Callable
from typing import Any

from olivepress.core.errors import SetupError
from olivepress.core.process import exclusive
from olivepress.run.executors.address import is_loopback
from olivepress.run.executors.place import Place, enter

__all__ = ["serve"]

_FIRST_S = 60.0  # that a scheduler may take to answer for the first time
_CALL_S, _START_S = 10.0, 60.0  # that one try may take, on a busy machine


def serve(address: str, place: Place, *, security: Any, say: Callable[[str], None], wait_s: float = 600.0) -> None:
    """Work for the scheduler at ``address`` until Ctrl-C or SIGTERM. When it goes, it is waited for ``wait_s``.

    Raises SetupError when no scheduler answers, JobError when another worker uses the folder.
    """
    with exclusive(place.folder):
        place.remove_old()
        enter(place)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(address, place, security, say, wait_s))


async def _serve(address: str, place: Place, security: Any, say: Callable[[str], None], wait_s: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt ends the loop
            loop.add_signal_handler(number, stop.set)
    limit = _FIRST_S
    while not stop.is_set():
        worker = await _connect(address, place, security, stop, limit)
        if worker is None:
            return
        limit = wait_s
        say(f"worker {place.machine}: connected to {address}")
        ended = asyncio.create_task(worker.finished())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, stopped):
            task.cancel()
        with contextlib.suppress(Exception):
            await worker.close(timeout=10)
        if not stop.is_set():
            say(f"worker {place.machine}: the scheduler is gone; waiting for it")


async def _connect(address: str, place: Place, security: Any, stop: asyncio.Event, limit_s: float) -> Any:
    """A worker that the scheduler knows; None when it is to stop. SetupError after ``limit_s``, and at once where the
    certificates do not fit."""
    from distributed.comm.core import FatalCommClosedError

    end = time.monotonic() + limit_s
    while not stop.is_set():
        try:
            return await _join(address, place, security)
        except Exception as error:  # Dask raises OSError, TimeoutError and errors of its own
            if time.monotonic() >= end or isinstance(error, FatalCommClosedError):
                reason = str(error).split("\n")[0] or type(error).__name__
                raise SetupError(
                    f"--scheduler {address}: no scheduler answers ({reason})",
                    next_step="start one with dask scheduler (docs/cluster.md), or check the address and certificates",
                ) from error
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=1.0)
    return None


async def _join(address: str, place: Place, security: Any) -> Any:
    """A started worker, which nothing is left of when it does not start.

    The scheduler is called first, as a worker itself tries for ever and does not say what is wrong.
    """
    from distributed.comm import connect

    arguments = security.get_connection_args("worker") if security is not None else {}
    caller = await connect(address, timeout=_CALL_S, **arguments)
    await caller.close()
    worker = _worker(address, place, security)
    try:
        return await asyncio.wait_for(worker.start(), timeout=_START_S)
    except BaseException:
        with contextlib.suppress(Exception):
            await worker.close(timeout=10)
        raise


def _worker(address: str, place: Place, security: Any) -> Any:
    import dask
    from distributed import Worker

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    announcement = place.announcement
    host = address.partition("://")[2].rpartition(":")[0]
    settings = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
    with dask.config.set(settings):
        return Worker(
            address,
            nthreads=announcement.slots,
            name=f"{place.machine}-{secrets.token_hex(3)}",
            resources=announcement.resources,
            security=security,
            host="127.0.0.1" if is_loopback(host) else None,
            dashboard_address="127.0.0.1:0",  # its HTTP server has no TLS: nobody else is to reach it
            dashboard=False,
            memory_limit=None,  # jobs are processes of their own
            local_directory=str(place.folder / "dask"),
            startup_information={"olivepress": lambda _: announcement.model_dump(mode="json")},
        )
