"""The steps after Olive that make a package: the recipe's adapters are added to the base."""

from __future__ import annotations

from pathlib import Path

from olivepress.adapters import Origin, PackagedAdapter, add_adapter, check_adapter, read_package
from olivepress.adapters.package import PACKAGE, is_of_package, new_package, write_package
from olivepress.core.artifact import FileHash, artifact_hash, changed_files, hash_files
from olivepress.core.errors import AdapterError
from olivepress.core.files import copy_file
from olivepress.core.layout import kept_adapters
from olivepress.run.cleanup import base_name
from olivepress.run.interpreters import Place
from olivepress.run.limits import limit_of, min_top1, task_spec
from olivepress.run.verify.package import MemberSpec, PackageSpec
from olivepress.workflow.olive_config import job_config
from olivepress.workflow.olive_plugin.built import asked_of_passes
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
    """The files of the base alone: these are in the manifest, adapters come and go."""
    return {name: file for name, file in hash_files(output).items() if not is_of_package(name)}


def assemble_package(plan: Plan, job: Job) -> None:
    """Write ``package.json`` and the recipe's adapters, then the foreign ones of an earlier package.

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

    An adapter that somebody added has no other copy: ``adapters check`` reports it.
    """
    try:
        package = read_package(output)
    except AdapterError:
        return [PACKAGE]
    own = [adapter for adapter in package.adapters.values() if adapter.origin.recipe is not None]
    return changed_files(
        output, {adapter.file: FileHash(sha256=adapter.sha256, bytes=adapter.bytes) for adapter in own}
    )


def keep_foreign_adapters(plan: Plan, job: Job) -> None:
    """Copy the adapters that somebody added to a package to where making it again does not remove them.

    They stay there until the package is finished: those of an earlier try that was killed are there already.
    """
    output, kept = plan.output_dir(job), kept_adapters(plan.recipe.name, job.id)
    foreign = _foreign_adapters(output)
    if not foreign:
        return
    for adapter in foreign.values():
        if (output / adapter.file).is_file():
            copy_file(output / adapter.file, kept / adapter.file)
    adapters = {**_foreign_adapters(kept), **foreign}
    write_package(read_package(output).model_copy(update={"adapters": adapters}), kept)


def _foreign_adapters(directory: Path) -> dict[str, PackagedAdapter]:
    """Those that no recipe made; none where there is no package."""
    try:
        package = read_package(directory)
    except AdapterError:
        return {}
    return {name: adapter for name, adapter in package.adapters.items() if adapter.origin.recipe is None}


def _bring_back(plan: Plan, job: Job) -> None:
    """AdapterError when the new base does not take one: it stays where it was kept."""
    output, kept = plan.output_dir(job), kept_adapters(plan.recipe.name, job.id)
    if not (kept / PACKAGE).is_file():
        return
    for name, adapter in read_package(kept).adapters.items():
        package = read_package(output)
        if name in package.adapters:
            raise AdapterError(
                f"{job.id}: somebody added an adapter {name!r}, and the recipe has one of that name",
                next_step=f"rename it in the recipe, or remove {kept / adapter.file} and {kept / PACKAGE}",
            )
        copy_file(kept / adapter.file, output / adapter.file)
        write_package(package.model_copy(update={"adapters": {**package.adapters, name: adapter}}), output)
        check_adapter(output, read_package(output), name)


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
        interpreter=place.interpreter,
        execution_provider=job.target.execution_provider,
        precision=job.target.precision,
        limit=limit,
        min_top1=min_top1(plan, job),
        min_placed=job.target.min_placed,
        max_cpu_nodes=job.target.max_cpu_nodes,
        random_weights=plan.model.random_weights,
        members=tuple(members),
        asked=asked_of_passes(job_config(plan, job)["passes"]),
    )


def parts_of(plan: Plan, job: Job) -> list[tuple[Plan, Job]]:
    """The jobs of its members that a package is made from and compared with; none for any other job."""
    if job.kind != "package" or job.target is None:
        return []
    ids = ("finetune", "merge", f"export-{job.target.target}")
    return [(member, member.job(one)) for member in plan.members.values() for one in ids]
