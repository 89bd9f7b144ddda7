"""``olivepress k8s render``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from olivepress.cli.options import DataOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan

__all__ = ["render"]


def render(
    model: ModelArgument,
    data: DataOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path("deploy"),
    namespace: Annotated[str, typer.Option("--namespace", help="The namespace of all objects.")] = "olivepress",
    images: Annotated[
        str, typer.Option("--images", help="What the names of images begin with: REGISTRY/NAME.")
    ] = "olivepress",
    schedule: Annotated[
        str, typer.Option("--schedule", help="When the suspended retraining would run, as cron has it.")
    ] = "0 3 * * 0",
    store: Annotated[
        str, typer.Option("--store", help="URL of a bucket (s3://, abfs://) for files of jobs, in place of a volume.")
    ] = "",
    train_job: Annotated[
        bool, typer.Option("--train-job", help="The run as a TrainJob of Kubeflow Trainer, not as a Job.")
    ] = False,
    trust_targets: TrustTargets = False,
) -> None:
    """Write manifests of Kubernetes, Dockerfiles, a Compose file and systemd units for a recipe.

    Resource requests are the plan's estimates. Nothing is applied, and no secret is written.
    """
    from olivepress.pipeline.deploy.write import write_deployment

    plan = load_plan(model, data, trust_targets)
    kind: Literal["Job", "TrainJob"] = "TrainJob" if train_job else "Job"
    written, without = write_deployment(
        plan,
        output,
        namespace=namespace,
        images=images,
        schedule=schedule,
        kind=kind,
        store=store,
        trust_targets=trust_targets,
    )
    for path in written:
        print(path)
    for environment in without:
        print(f"note: environment {environment} has no lock for linux-x86_64, so no image and no worker of it")
    print(f"next: build the images in {output / 'images'}, create the secrets (docs/cluster.md), and")
    print(f"      kubectl apply -f {output / 'kubernetes'}")
