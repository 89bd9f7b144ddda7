"""A run on a cluster, from what was typed: the connection, the store, and how its progress is shown."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.cli.cluster_options import ClusterChoice
from olivepress.core.errors import SetupError, UsageError
from olivepress.core.layout import CLUSTER_STORE

if TYPE_CHECKING:
    from olivepress.cli.console import ConsoleReporter
    from olivepress.run.executors.plan_jobs import ClusterRun

__all__ = ["cluster_of", "require_distributed"]


@contextlib.contextmanager
def cluster_of(
    choice: ClusterChoice,
    reporter: ConsoleReporter,
    *,
    trust: bool,
    force: bool = False,
    keep_going: bool = False,
) -> Iterator[ClusterRun | None]:
    """Connected; None where the jobs run here. UsageError for options that do not fit together."""
    if choice.engine == "local":
        choice.refuse_without_engine()
        yield None
        return
    if choice.scheduler is None:
        raise UsageError("--engine dask: expected --scheduler ADDRESS", next_step="see docs/cluster.md")
    require_distributed()
    from olivepress.cli.cluster_progress import ClusterProgress
    from olivepress.run.executors.address import check_address, security_of
    from olivepress.run.executors.cluster import Cluster, new_topic
    from olivepress.run.executors.plan_jobs import ClusterRun
    from olivepress.run.executors.plan_needs import labels_of
    from olivepress.run.executors.store import open_store

    address = check_address(choice.scheduler, tls=choice.tls, insecure=choice.insecure)
    labels, store = labels_of(choice.on), open_store(_store(choice, address), create=True)
    security = security_of(choice.tls)
    with Cluster(address, security, topic=new_topic()) as cluster, ClusterProgress(reporter) as progress:
        yield ClusterRun(
            cluster=cluster,
            store=store,
            follower=progress,
            labels=labels,
            trust_targets=trust,
            force=force,
            keep_going=keep_going,
        )


def require_distributed() -> None:
    """SetupError without the extra."""
    from importlib.util import find_spec

    if find_spec("distributed") is None or find_spec("fsspec") is None:
        raise SetupError("Dask's distributed is not installed", next_step="pip install 'olivepress[cluster]'")


def _store(choice: ClusterChoice, address: str) -> str:
    from olivepress.run.executors.address import is_loopback

    if choice.store is not None:
        return choice.store if "://" in choice.store else str(Path(choice.store).absolute())
    if not is_loopback(address.partition("://")[2].rpartition(":")[0]):
        raise UsageError(
            "--store: workers on other machines need one, expected a shared folder or a URL",
            next_step="--store /shared/folder, or --store s3://BUCKET/FOLDER",
        )
    return str(CLUSTER_STORE.absolute())
