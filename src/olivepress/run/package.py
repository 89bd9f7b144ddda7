"""What is done after Olive to make a package: the recipe's adapters go beside the base that takes them."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from olivepress.adapters import Origin, add_adapter, check_adapter, read_package
from olivepress.adapters.package import PACKAGE, is_of_package, new_package, write_package
from olivepress.core.artifact import FileHash, artifact_hash, changed_files, hash_files
from olivepress.core.errors import AdapterError
from olivepress.core.layout import kept_adapters
from olivepress.run.cleanup import base_name
from olivepress.run.interpreters import Place
from olivepress.run.limits import limit_of, min_top1, task_spec
from olivepress.run.verify.package import MemberSpec, PackageSpec
from olivepress.workflow.plan import Job, Plan

__all__ = [
    "assemble_package",
    "base_files",
    "changed_adapters",
    "keep_foreign_adapters",
    "package_spec",
    "parts_of",
]


def base_files(output: Path) -> dict[str, FileHash]:
    """The files of the base alone: the manifest speaks of these, adapters come and go."""
    return {name: held for name, held in hash_files(output).items() if not is_of_package(name)}


def assemble_package(plan: Plan, job: Job) -> None:
    """Write ``package.json`` and the recipe's adapters, then those of others that an earlier package held.

    AdapterError when one does not fit.
    """
    assert job.target is not None
    output = plan.output_dir(job)
    package = new_package(
        output,
        recipe=plan.recipe.name,
        target=job.target.target,
        family=plan.model.family.family,
        base_model=base_name(plan),
        base_sha256=artifact_hash(base_files(output)),
        random_weights=plan.model.random_weights,
    )
    write_package(package, output)
    for name, member in plan.members.items():
        origin = Origin(
            recipe=member.recipe.name,
            task=plan.recipe.adapters[name].task,
            dataset=member.dataset.name,
            dataset_version=member.dataset.version,
        )
        add_adapter(output, member.output_dir(member.job("finetune")) / "adapter", name, origin=origin)
    _bring_back(plan, job)


def changed_adapters(output: Path) -> list[str]:
    """Files of a package's own adapters that are not those of ``package.json``; that itself when it cannot be read.

    Of an adapter that somebody added there is no other copy: ``adapters check`` speaks of it.
    """
    try:
        package = read_package(output)
    except AdapterError:
        return [PACKAGE]
    own = (one for one in package.adapters.values() if one.origin.recipe is not None)
    return changed_files(output, {one.file: FileHash(sha256=one.sha256, bytes=one.bytes) for one in own})


def keep_foreign_adapters(plan: Plan, job: Job) -> None:
    """Put the adapters that somebody added to a package where making it anew does not remove them."""
    output, kept = plan.output_dir(job), kept_adapters(plan.recipe.name, job.id)
    try:
        package = read_package(output)
    except AdapterError:
        return
    foreign = {name: one for name, one in package.adapters.items() if one.origin.recipe is None}
    if not foreign:
        return
    shutil.rmtree(kept, ignore_errors=True)
    for one in foreign.values():
        (kept / one.file).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(output / one.file, kept / one.file)
    write_package(package.model_copy(update={"adapters": foreign}), kept)


def _bring_back(plan: Plan, job: Job) -> None:
    """AdapterError when the new base does not take one: it stays where it was kept."""
    output, kept = plan.output_dir(job), kept_adapters(plan.recipe.name, job.id)
    if not (kept / PACKAGE).is_file():
        return
    for name, one in read_package(kept).adapters.items():
        package = read_package(output)
        if name in package.adapters:
            raise AdapterError(
                f"{job.id}: somebody added an adapter {name!r}, and the recipe has one of that name",
                next_step=f"rename it in the recipe, or remove {kept / one.file} and {kept / PACKAGE}",
            )
        shutil.copyfile(kept / one.file, output / one.file)
        write_package(package.model_copy(update={"adapters": {**package.adapters, name: one}}), output)
        check_adapter(output, read_package(output), name)
    shutil.rmtree(kept)


def package_spec(plan: Plan, job: Job, scratch: Path, place: Place) -> PackageSpec:
    """The spec of ``verify_package``."""
    limit = limit_of(plan, job)
    assert job.target is not None and job.parent is not None and limit is not None
    members = [
        MemberSpec(
            name=name,
            peft_dir=(member.output_dir(member.job("finetune")) / "adapter").as_posix(),
            reference_dir=(member.output_dir(member.job("merge")) / "reference").as_posix(),
            twin_dir=member.output_dir(member.job(f"export-{job.target.target}")).as_posix(),
            task=task_spec(member, member.job(f"export-{job.target.target}"), place),
        )
        for name, member in plan.members.items()
    ]
    return PackageSpec(
        output_dir=plan.output_dir(job).as_posix(),
        base_dir=plan.output_dir(plan.job(job.parent)).as_posix(),
        scratch=scratch.as_posix(),
        how=place.how,
        interpreter=str(place.interpreter) if place.interpreter else None,
        execution_provider=job.target.execution_provider,
        precision=job.target.precision,
        limit=limit,
        min_top1=min_top1(plan, job),
        min_placed=job.target.min_placed,
        max_cpu_nodes=job.target.max_cpu_nodes,
        random_weights=plan.model.random_weights,
        members=tuple(members),
    )


def parts_of(plan: Plan, job: Job) -> list[tuple[Plan, Job]]:
    """The jobs of its members that a package is made from and held against; none for any other job."""
    if job.kind != "package" or job.target is None:
        return []
    ids = ("finetune", "merge", f"export-{job.target.target}")
    return [(member, member.job(one)) for member in plan.members.values() for one in ids]
