"""Options of the verbs that talk to a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["InsecureOption", "OnOption", "SchedulerOption", "StoreOption", "TlsOption"]

SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", help="Address of the Dask scheduler: tls://HOST:PORT, or tcp://127.0.0.1:PORT."),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Folder or fsspec URL (s3://, abfs://) that all workers reach; needed unless they are on this machine.",
    ),
]
OnOption = Annotated[
    list[str] | None,
    typer.Option("--on", metavar="JOB=LABEL", help="Run a job on a worker with this label or device; may be repeated."),
]
TlsOption = Annotated[
    Path | None, typer.Option("--tls", help="Folder with ca.pem, cert.pem and key.pem of the cluster.")
]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Allow a scheduler without TLS on another machine.")]
