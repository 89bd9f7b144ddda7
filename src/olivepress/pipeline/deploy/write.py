"""Renders everything of a recipe into a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from olivepress.catalog import BUILD
from olivepress.core.errors import SetupError, UsageError
from olivepress.core.files import write_text
from olivepress.environments.lookup import environment
from olivepress.pipeline.deploy.groups import claims_of, groups_of
from olivepress.pipeline.deploy.images import PLATFORM, context_files
from olivepress.pipeline.deploy.manifests import Kind, Settings, manifests
from olivepress.pipeline.deploy.services import compose, units
from olivepress.run.executors.store import check_url, package_of
from olivepress.workflow.estimate import need
from olivepress.workflow.plan import Plan

__all__ = ["deployment_files", "write_deployment"]

# A label of RFC 1123; names as registries take them; the fields of cron, or one of its words.
_OPTIONS = {
    "namespace": (re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"), "letters a-z, digits and hyphens, at most 63"),
    "images": (re.compile(r"[a-z0-9]+(?:[._/:-]+[a-z0-9]+)*"), "a name such as registry.example/olivepress"),
    "schedule": (re.compile(r"@[a-z]+|\S+(?: +\S+){4}"), 'five fields such as "0 3 * * 0"'),
}
_MOST_CONFIG = 1_000_000  # bytes of a ConfigMap: Kubernetes takes 1 MiB with everything else of it
_ROOM = 1.25


def write_deployment(plan: Plan, folder: Path, **options: Any) -> tuple[list[Path], list[str]]:
    """Write the files; returns them, and the environments that have no image. Options and errors as
    ``deployment_files``."""
    files, without = deployment_files(plan, **options)
    for name, text in files.items():
        write_text(folder / name, text)
    return [folder / name for name in files], without


def deployment_files(
    plan: Plan,
    *,
    namespace: str,
    images: str,
    schedule: str,
    kind: Kind = "Job",
    store: str = "",
    trust_targets: bool = False,
) -> tuple[dict[str, str], list[str]]:
    """Path → text of every file, and the environments of which there is no lock for the images' platform: their workers
    are left out. SetupError for a recipe that is too large for a ConfigMap; UsageError for a ``store`` that is no URL,
    or one with a password, and for a namespace, images or a schedule that Kubernetes would refuse."""
    for option, given in (("namespace", namespace), ("images", images), ("schedule", schedule)):
        pattern, expected = _OPTIONS[option]
        if not pattern.fullmatch(given):
            raise UsageError(f"--{option} {given}: expected {expected}")
    check_url(store)
    if store and "://" not in store:
        raise UsageError(f"--store {store}: expected a URL such as s3://BUCKET/FOLDER", next_step="or leave it out")
    recipe = yaml.safe_dump(plan.recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
    own = _own_targets(plan)
    if len(recipe.encode()) + sum(len(text.encode()) for text in own.values()) > _MOST_CONFIG:
        raise SetupError(f"recipe {plan.recipe.name}: is too large for a ConfigMap (1 MB)")
    groups = groups_of(plan.all)
    without = [group.environment for group in groups if PLATFORM not in environment(group.environment).platforms]
    groups = [group for group in groups if group.environment not in without]
    build = plan.model.family.build_environment
    trains = [need(each, job).memory_bytes for each in plan.all for job in each.jobs if job.kind == "finetune"]
    settings = Settings(
        recipe=plan.recipe.name,
        recipe_text=recipe,
        namespace=namespace,
        images=images,
        build=build,
        groups=groups,
        claims=claims_of(plan.all),
        memory_bytes=int(_ROOM * max([*trains, 4_000_000_000])),
        schedule=schedule,
        kind=kind,
        store=store,
        own_targets=own,
        trust=trust_targets,
    )
    files = {f"kubernetes/{name}": _yaml(objects) for name, objects in manifests(settings).items()}
    for name in dict.fromkeys([BUILD, build, "tracking-ui", *(group.environment for group in groups)]):
        context = context_files(name, package_of(store) if store else "")
        files |= {f"images/{name}/{file}": text for file, text in context.items()}
    files["compose.yaml"] = _yaml([compose(plan.recipe.name, images, build, groups, trust=trust_targets)])
    files |= {f"systemd/{name}": text for name, text in units().items()}
    return files, list(dict.fromkeys(without))


def _own_targets(plan: Plan) -> dict[str, str]:
    """The files beside the recipe of the targets that it names."""
    if plan.own_targets is None:
        return {}
    named = [f"{job.target.file}.yaml" for each in plan.all for job in each.jobs if job.target is not None]
    paths = [plan.own_targets / name for name in dict.fromkeys(named)]
    return {path.name: path.read_text(encoding="utf-8") for path in paths if path.is_file()}


def _yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    """Without aliases, which nobody reads."""
    return str(yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, explicit_start=True, width=120))


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Plain.add_representer(str, _text)
