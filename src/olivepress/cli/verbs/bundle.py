"""``olivepress bundle``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter, job_progress
from olivepress.cli.options import JsonOption, QuietOption, SourceDataOption, TrustTargets, refuse_for_artifact
from olivepress.cli.plans import load_plan
from olivepress.core.layout import BUNDLES

__all__ = ["bundle"]


def bundle(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A recipe as for other commands, or the directory of an exported artifact."
        ),
    ],
    data: SourceDataOption = None,
    job: Annotated[
        list[str] | None,
        typer.Option("--job", help="For a recipe: pack this export only; without it, all finished ones."),
    ] = None,
    ids_only: Annotated[
        bool,
        typer.Option(
            "--ids-only", help="Pack the ids of the test split instead of its rows: accuracy is not measured there."
        ),
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write the zip files.")] = BUNDLES,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pack artifacts for devices that are elsewhere.

    One zip file each, with data, settings and how to install.
    """
    from olivepress.bundle import bundle_artifact, bundle_plan
    from olivepress.pipeline.artifacts import is_artifact, prepared_dataset
    from olivepress.workflow.find_recipe import data_of

    path = Path(target)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        on_progress = job_progress(reporter, "bundle")
        if is_artifact(path):
            refuse_for_artifact("bundle", target, job=job, trust_targets=trust_targets)
            directory = Path(data) if data else prepared_dataset(path)
            packed = [bundle_artifact(path, dataset_dir=directory, ids_only=ids_only, out=out, on_progress=on_progress)]
        else:
            plan = load_plan(target, data, trust_targets)
            data_of(plan.recipe, "bundle")
            packed = bundle_plan(plan, only=job or (), ids_only=ids_only, out=out, on_progress=on_progress)
    if as_json:
        records = [{"path": str(each.path), "job": each.job, "sha256": each.sha256} for each in packed]
        print(json.dumps(records, indent=2))
        return
    for each in packed:
        print(f"{each.path}: sha256 {each.sha256}")
    print("next: carry it to its device and follow INSTALL.md in it; see docs/devices.md")
