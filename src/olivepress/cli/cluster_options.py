"""Options of the verbs that talk to a scheduler.

Annotations are evaluated here: ``takes`` reads the options of records.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["ClusterChoice", "InsecureOption", "TlsOption", "cluster_choice"]

TlsOption = Annotated[
    Path | None, typer.Option("--tls", help="Folder with ca.pem, cert.pem and key.pem of the cluster.")
]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Allow a scheduler without TLS on another machine.")]


@dataclass(frozen=True, kw_only=True)
class ClusterChoice:
    """The options of a verb."""

    engine: str
    scheduler: str | None
    store: str | None
    on: tuple[str, ...]
    tls: Path | None
    insecure: bool

    def refuse_without_engine(self) -> None:
        """No option is accepted and then ignored. Raises UsageError."""
        from olivepress.core.errors import UsageError

        given: dict[str, object] = {"--scheduler": self.scheduler, "--store": self.store, "--on": self.on}
        given |= {"--tls": self.tls, "--insecure": self.insecure}
        for option, value in given.items():
            if value:
                raise UsageError(f"{option} is for --engine dask", next_step="add --engine dask, or leave it out")


def cluster_choice(
    engine: Annotated[
        Literal["local", "dask"], typer.Option("--engine", help="Run jobs here, or on the workers of a scheduler.")
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Address of the Dask scheduler: tls://HOST:PORT, or tcp://127.0.0.1:PORT."),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store",
            help="Folder or fsspec URL (s3://, abfs://) that all workers reach; runs/.store on this machine.",
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option("--on", metavar="JOB=LABEL", help="Run a job on a worker with this label or device; repeatable."),
    ] = None,
    tls: TlsOption = None,
    insecure: InsecureOption = False,
) -> ClusterChoice:
    """As it was typed."""
    return ClusterChoice(
        engine=engine, scheduler=scheduler, store=store, on=tuple(on or ()), tls=tls, insecure=insecure
    )
