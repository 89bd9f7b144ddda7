"""Manifests of Kubernetes for a recipe, as plain records: pure, and in the order that they are applied."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from olivepress.pipeline.deploy.groups import Claims, WorkerGroup
from olivepress.pipeline.deploy.images import image_of
from olivepress.pipeline.deploy.services import MLFLOW_PORT, MLFLOW_SERVER

__all__ = ["Kind", "Settings", "manifests"]

Kind = Literal["Job", "TrainJob"]
Manifest = Mapping[str, Any]
_KUBEFLOW = "trainer.kubeflow.org"
_PORT = 8786
_TLS, _HUB, _RECIPES, _PROJECT, _STORE = "olivepress-tls", "olivepress-hub", "olivepress-recipe", "/project", "/store"
_DEPLOYED = "deployed"  # the recipe and its targets, in the project: workers get a copy of what lies there
_CERTIFICATES, _SHARED = "/tls", "olivepress-store"
_SUBMIT_MEMORY = 4_000_000_000  # prepares, lints and hashes; it trains nothing
_SAME_AGAIN = [2, 3, 4, 5, 6]  # exit codes: the command, recipe, data, a lint, a job that failed
_LONGEST = 40  # of a recipe's name in the name of an object, which has 63 characters


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is rendered. ``images`` begin with that; ``recipe`` is its name, ``recipe_text`` its file, ``own_targets``
    the files of targets beside it, which may run code of their own with ``trust``; ``build`` is the environment of the
    submitting side; ``memory_bytes`` what a fine-tune in it takes; ``schedule`` is cron's; the run is a ``kind``:
    Kubernetes' own Job, or a TrainJob of Kubeflow Trainer. ``store`` is a URL; "": a volume."""

    recipe: str
    recipe_text: str
    namespace: str
    images: str
    build: str
    groups: Sequence[WorkerGroup]
    claims: Claims
    memory_bytes: int
    schedule: str
    kind: Kind = "Job"
    store: str = ""
    own_targets: Mapping[str, str] = field(default_factory=dict)
    trust: bool = False


def manifests(settings: Settings) -> dict[str, list[Manifest]]:
    """File name → its objects, so that ``kubectl apply -f FOLDER`` creates what others refer to first."""
    return {
        "00-namespace.yaml": [_object("v1", "Namespace", settings.namespace, settings, namespaced=False)],
        "10-recipe.yaml": [
            _object("v1", "ConfigMap", _RECIPES, settings)
            | {"data": {f"{settings.recipe}.yaml": settings.recipe_text, **_targets(settings)}}
        ],
        "20-storage.yaml": [
            _claim("olivepress-project", settings.claims.project, "ReadWriteOnce", settings),
            *([] if settings.store else [_claim(_SHARED, settings.claims.store, "ReadWriteMany", settings)]),
            _claim("olivepress-mlflow", 5_000_000_000, "ReadWriteOnce", settings),
        ],
        "30-scheduler.yaml": [_scheduler(settings), _service("scheduler", _PORT, settings)],
        "40-workers.yaml": [_worker(group, settings) for group in settings.groups],
        "50-mlflow.yaml": [_mlflow(settings), _service("mlflow", MLFLOW_PORT, settings)],
        "60-run.yaml": [_run(settings)] if settings.kind == "Job" else _train_job(settings),
        "70-retrain.yaml": [_retrain(settings)],
    }


# --- objects ---------------------------------------------------------------------------------------------------------


def _object(version: str, kind: str, name: str, settings: Settings, *, namespaced: bool = True) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": _labels(name)}
    if namespaced:
        metadata["namespace"] = settings.namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "olivepress", "app.kubernetes.io/component": name}


def _claim(name: str, size: int, mode: str, settings: Settings) -> Manifest:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": _size(size)}}}
    return _object("v1", "PersistentVolumeClaim", name, settings) | {"spec": spec}


def _targets(settings: Settings) -> dict[str, str]:
    """The keys of a ConfigMap have no folders."""
    return {f"targets.{name}": text for name, text in settings.own_targets.items()}


def _service(name: str, port: int, settings: Settings) -> Manifest:
    spec = {"selector": _labels(name), "ports": [{"name": "main", "port": port, "targetPort": port}]}
    return _object("v1", "Service", name, settings) | {"spec": spec}


def _deployment(name: str, pod: Manifest, settings: Settings) -> Manifest:
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _labels(name)},
        "template": {"metadata": {"labels": _labels(name)}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", name, settings) | {"spec": spec}


def _scheduler(settings: Settings) -> Manifest:
    command = ["dask", "scheduler", "--host", "tls://0.0.0.0", "--port", str(_PORT), "--no-dashboard", "--no-jupyter"]
    for option, name in (("--tls-ca-file", "ca.pem"), ("--tls-cert", "cert.pem"), ("--tls-key", "key.pem")):
        command += [option, f"{_CERTIFICATES}/{name}"]
    container = _container("scheduler", settings.build, command, settings) | {
        "ports": [{"containerPort": _PORT}],
        "resources": _resources(1_000_000_000, 1_000_000_000),
    }
    return _deployment("scheduler", _pod([container], [_tls_volume()]), settings)


def _worker(group: WorkerGroup, settings: Settings) -> Manifest:
    command = ["olivepress", "worker", "--scheduler", _address(), "--tls", _CERTIFICATES, "--folder", "/work"]
    resources = _resources(group.memory_bytes, group.disk_bytes, gpus=1 if group.device == "cuda" else 0)
    container = _container("worker", group.environment, command, settings) | {
        "resources": resources,
        "env": [_token()],
    }
    container["volumeMounts"] += [_mount("work", "/work")]
    volumes = [_tls_volume(), {"name": "work", "emptyDir": {"sizeLimit": _size(group.disk_bytes)}}]
    _reach_store(container, volumes, settings)
    pod = _pod([container], volumes)
    if group.device:
        pod["nodeSelector"][f"olivepress/{group.device}"] = "true"
    return _deployment(group.name, pod, settings)


def _mlflow(settings: Settings) -> Manifest:
    container = _container("mlflow", "tracking-ui", MLFLOW_SERVER, settings) | {
        "ports": [{"containerPort": MLFLOW_PORT}],
        "resources": _resources(2_000_000_000, 1_000_000_000),
        "volumeMounts": [_mount("mlflow", "/mlflow")],
    }
    return _deployment("mlflow", _pod([container], [_claimed("mlflow", "olivepress-mlflow")]), settings)


def _run(settings: Settings) -> Manifest:
    return _object("batch/v1", "Job", _run_name(settings), settings) | {"spec": _run_spec(settings)}


def _run_name(settings: Settings) -> str:
    return f"run-{_dns(settings.recipe)}"


def _run_spec(settings: Settings) -> dict[str, Any]:
    """Of a Job."""
    recipe = f"{_DEPLOYED}/{settings.recipe}.yaml"
    command = ["olivepress", "run", recipe, "--engine", "dask", "--scheduler", _address(), "--tls", _CERTIFICATES]
    command += ["--store", settings.store or _STORE, *(["--trust-targets"] if settings.trust else [])]
    once = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": _SAME_AGAIN}}
    return {
        "backoffLimit": 6,  # ten minutes: it fails while no worker is there, whose images are still being fetched
        "podFailurePolicy": {"rules": [once]},
        "template": _submitting(settings, command, _SUBMIT_MEMORY),
    }


def _train_job(settings: Settings) -> list[Manifest]:
    """The same pod as a TrainJob, with a runtime of its own: those of a cluster start a training by torchrun. Its label
    and the name of the container are how Kubeflow Trainer finds the pod that trains."""
    spec = _run_spec(settings)
    for container in spec["template"]["spec"]["containers"]:
        container["name"] = "node"
    job = {"metadata": {"labels": {f"{_KUBEFLOW}/trainjob-ancestor-step": "trainer"}}, "spec": spec}
    runtime = {
        "mlPolicy": {"numNodes": 1},
        "template": {"spec": {"replicatedJobs": [{"name": "node", "template": job}]}},
    }
    name, version = _run_name(settings), f"{_KUBEFLOW}/v1alpha1"
    return [
        _object(version, "TrainingRuntime", name, settings) | {"spec": runtime},
        _object(version, "TrainJob", name, settings)
        | {"spec": {"runtimeRef": {"apiGroup": _KUBEFLOW, "kind": "TrainingRuntime", "name": name}}},
    ]


def _retrain(settings: Settings) -> Manifest:
    """Suspended until somebody puts new rows there; the earlier ones are replayed."""
    command = ["olivepress", "train", "continue", settings.recipe, "--data", f"{_PROJECT}/incoming/new.jsonl"]
    command += ["--trust-targets"] if settings.trust else []
    job = {"backoffLimit": 1, "template": _submitting(settings, command, settings.memory_bytes)}
    spec = {
        "schedule": settings.schedule,
        "suspend": True,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": {"spec": job},
    }
    return _object("batch/v1", "CronJob", f"retrain-{_dns(settings.recipe)}", settings) | {"spec": spec}


# --- parts of pods ---------------------------------------------------------------------------------------------------


def _submitting(settings: Settings, command: Sequence[str], memory_bytes: int) -> Manifest:
    """The pod that has the project."""
    container = _container("olivepress", settings.build, command, settings) | {
        "workingDir": _PROJECT,
        "resources": _resources(memory_bytes, 5_000_000_000),
        "env": [{"name": "MLFLOW_TRACKING_URI", "value": f"http://mlflow:{MLFLOW_PORT}"}, _token()],
    }
    container["volumeMounts"] += [_mount("project", _PROJECT), _mount("recipe", f"{_PROJECT}/{_DEPLOYED}")]
    keys = {f"{settings.recipe}.yaml": f"{settings.recipe}.yaml"}
    keys |= {key: key.replace(".", "/", 1) for key in _targets(settings)}
    files = {"name": _RECIPES, "items": [{"key": key, "path": path} for key, path in keys.items()]}
    volumes = [_tls_volume(), _claimed("project", "olivepress-project"), {"name": "recipe", "configMap": files}]
    _reach_store(container, volumes, settings)
    return {
        "metadata": {"labels": _labels("run")},
        "spec": {**_pod([container], volumes), "restartPolicy": "Never"},
    }


def _reach_store(container: dict[str, Any], volumes: list[Manifest], settings: Settings) -> None:
    """Add the shared volume to a container, or the credentials of a bucket from a secret that somebody may create."""
    if settings.store:
        container["envFrom"] = [{"secretRef": {"name": _SHARED, "optional": True}}]
    else:
        container["volumeMounts"] += [_mount("store", _STORE)]
        volumes.append(_claimed("store", _SHARED))


def _container(name: str, environment: str, command: Sequence[str], settings: Settings) -> dict[str, Any]:
    return {
        "name": name,
        "image": image_of(settings.images, environment),
        "command": list(command),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{**_mount("tls", _CERTIFICATES), "readOnly": True}],
    }


def _pod(containers: Sequence[Manifest], volumes: Sequence[Manifest]) -> dict[str, Any]:
    """Nothing of a pod runs as root or talks to Kubernetes itself, and no Service of the namespace sets variables in
    it, such as MLFLOW_PORT. The images are for one architecture."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": list(containers),
        "volumes": list(volumes),
    }


def _token() -> Manifest:
    """The Hub's, from a secret that somebody may have created; it is never rendered."""
    source = {"secretKeyRef": {"name": _HUB, "key": "token", "optional": True}}
    return {"name": "HF_TOKEN", "valueFrom": source}


def _tls_volume() -> Manifest:
    return {"name": "tls", "secret": {"secretName": _TLS, "defaultMode": 0o440}}


def _claimed(name: str, claim: str) -> Manifest:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim}}


def _mount(name: str, path: str) -> dict[str, Any]:
    return {"name": name, "mountPath": path}


def _resources(memory_bytes: int, disk_bytes: int, *, gpus: int = 0) -> Manifest:
    """Memory is a limit as well: what a job takes beyond it would be taken from other pods."""
    wanted = {"cpu": "1", "memory": _size(memory_bytes), "ephemeral-storage": _size(disk_bytes)}
    limits = {"memory": wanted["memory"]}
    if gpus:
        limits["nvidia.com/gpu"] = str(gpus)
    return {"requests": wanted, "limits": limits}


def _dns(name: str) -> str:
    """As a part of the name of an object (RFC 1123)."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-")


def _size(size: int) -> str:
    return f"{math.ceil(size / 1_000_000)}M"


def _address() -> str:
    return f"tls://scheduler:{_PORT}"
