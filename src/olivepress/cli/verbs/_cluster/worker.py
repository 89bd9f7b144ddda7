"""``olivepress worker``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.cluster_options import InsecureOption, TlsOption
from olivepress.core.layout import ENVIRONMENTS, WORKER

if TYPE_CHECKING:
    from olivepress.run.executors.needs import Announcement

__all__ = ["worker"]


def worker(
    scheduler: Annotated[
        str,
        typer.Option("--scheduler", help="Address of the Dask scheduler: tls://HOST:PORT, or tcp://127.0.0.1:PORT."),
    ],
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, help="Jobs at a time.")] = 1,
    label: Annotated[list[str] | None, typer.Option("--label", help="A name that jobs may ask for; repeat it.")] = None,
    share_gpu: Annotated[int, typer.Option("--share-gpu", min=1, max=64, help="Jobs at a time on each GPU.")] = 1,
    name: Annotated[str | None, typer.Option("--name", help="Name of this machine in progress and reports.")] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where files of jobs are kept.")] = WORKER,
    tls: TlsOption = None,
    insecure: InsecureOption = False,
) -> None:
    """Run jobs of other machines here: examine this one, announce what it has to a scheduler, and work for it.

    Ctrl-C ends the worker and the jobs that it runs. When the scheduler goes, the worker waits for it.
    """
    from olivepress.bundle.on_cluster import BENCH_TASK
    from olivepress.cli.cluster import require_distributed
    from olivepress.doctor.announce import announce
    from olivepress.run.executors.address import check_address, security_of
    from olivepress.run.executors.gpus import own_gpus
    from olivepress.run.executors.place import Place
    from olivepress.run.executors.worker import serve

    require_distributed()
    address, security = check_address(scheduler, tls=tls, insecure=insecure), security_of(tls)
    with contextlib.ExitStack() as stack:
        announcement, gpus = announce(
            folder,
            name=name,
            labels=tuple(label or ()),
            slots=jobs,
            share_gpu=share_gpu,
            own=lambda known: stack.enter_context(own_gpus(known)),
        )
        _say_what_it_has(announcement)
        place = Place(folder, announcement, environments=ENVIRONMENTS, gpus=gpus, tasks={"bench": BENCH_TASK})
        serve(address, place, security=security, say=_say)


def _say_what_it_has(announcement: Announcement) -> None:
    has = ", ".join(f"{count} {device}" for device, count in announcement.devices.items()) or "no accelerator"
    _say(
        f"worker {announcement.machine}: {announcement.memory_bytes / 1e9:.1f} GB of memory, "
        f"{announcement.disk_bytes / 1e9:.1f} GB of disk, {has}; "
        f"environments: {', '.join(announcement.environments) or 'none'}"
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
