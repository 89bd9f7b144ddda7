"""A recipe with targets of a person's own: they travel with it, and lie in the project, where workers get a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.pipeline.deploy.write import deployment_files
from olivepress.pipeline.plan import load_plan
from olivepress.run.executors.artifacts import inputs_of
from olivepress.run.executors.rebuild import input_paths
from tests.conftest import ROOT


@pytest.fixture
def recipe(project: Path) -> Path:
    """One that names a target beside it, next to another one that it does not name."""
    catalog = ROOT / "src" / "olivepress" / "catalog" / "targets"
    (project / "recipes" / "targets").mkdir()
    for name in ("mine", "unused"):
        text = (catalog / "cpu.yaml").read_text().replace("target: cpu", f"target: {name}")
        (project / "recipes" / "targets" / f"{name}.yaml").write_text(text)
    path = project / "recipes" / "tiny-phi.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "targets": ["mine-fp32"]}))
    return path


def mounted(files: dict[str, str], folder: Path) -> dict[str, Any]:
    """The run's container, and its ConfigMap's files as Kubernetes puts them into ``folder``."""
    (config,) = yaml.safe_load_all(files["kubernetes/10-recipe.yaml"])
    (job,) = yaml.safe_load_all(files["kubernetes/60-run.yaml"])
    pod = job["spec"]["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "recipe"]
    for item in volume["configMap"]["items"]:
        path = folder / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(config["data"][item["key"]])
    container: dict[str, Any] = pod["containers"][0]
    return container


def test_they_travel_with_the_recipe(recipe: Path, project: Path) -> None:
    plan = load_plan("tiny-phi")
    options: dict[str, Any] = {"namespace": "models", "images": "reg/op", "schedule": "0 3 * * 0"}
    files, _ = deployment_files(plan, **options)
    container = mounted(files, project / "deployed")
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "recipe"]
    assert (mount["mountPath"], container["workingDir"]) == ("/project/deployed", "/project")
    assert sorted(path.name for path in (project / "deployed" / "targets").iterdir()) == ["mine.yaml"]
    named = container["command"][2]
    there = load_plan(named)
    assert named == "deployed/tiny-phi.yaml" and there.jobs == plan.jobs
    sent = {ref.path for ref in inputs_of(input_paths(there, there.jobs[-1]))}
    assert "deployed/targets/mine.yaml" in sent
    assert "--trust-targets" not in container["command"]
    trusting, _ = deployment_files(plan, **options, trust_targets=True)
    assert "--trust-targets" in mounted(trusting, project / "again")["command"]
    for name in ("kubernetes/70-retrain.yaml", "compose.yaml"):
        assert "--trust-targets" in trusting[name] and "--trust-targets" not in files[name]
