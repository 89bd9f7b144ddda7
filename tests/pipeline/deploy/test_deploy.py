"""What ``olivepress k8s render`` writes is accepted by the schemas of Kubernetes' API, and says what the plan says."""

from __future__ import annotations

import configparser
import fnmatch
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubeflow_trainer_api.models import TrainerV1alpha1TrainingRuntime, TrainerV1alpha1TrainJob
from typer.main import get_command

from olivepress import __version__
from olivepress.cli.main import app
from olivepress.core.errors import DataError, JobError, LintError, RecipeError, SetupError, UsageError
from olivepress.pipeline.deploy.groups import WorkerGroup, claims_of, groups_of
from olivepress.pipeline.deploy.images import dockerfile
from olivepress.pipeline.deploy.manifests import _dns
from olivepress.pipeline.deploy.services import compose
from olivepress.pipeline.deploy.write import deployment_files
from olivepress.pipeline.plan import load_plan
from olivepress.recipe.schema import load_recipe
from olivepress.workflow.estimate import need
from tests.conftest import ROOT

NPU = WorkerGroup(environment="qnn-build", device="qnn-npu", memory_bytes=10**9, disk_bytes=10**9, jobs=("x",))


@pytest.fixture
def files(project: Path) -> dict[str, str]:
    written, _ = deployment_files(load_plan("tiny-phi"), namespace="models", images="reg/op", schedule="0 3 * * 0")
    return written


def objects(files: dict[str, str]) -> list[dict[str, Any]]:
    """In the order that ``kubectl apply -f FOLDER`` creates them: by the names of the files."""
    names = sorted(name for name in files if name.startswith("kubernetes/"))
    found = [each for name in names for each in yaml.safe_load_all(files[name])]
    assert len(found) > 8
    return found


def pods(files: dict[str, str]) -> list[dict[str, Any]]:
    specs = []
    for each in objects(files):
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            specs.append(spec["template"]["spec"])
    assert len(specs) >= 5
    return specs


def test_the_schemas_of_kubernetes_accept_every_object(files: dict[str, str]) -> None:
    for each in objects(files):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    wrong = objects(files)[3] | {"spec": {"accessModes": "ReadWriteOnce"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_a_train_job_of_kubeflow_has_the_same_pod(project: Path, files: dict[str, str]) -> None:
    options: dict[str, Any] = {"namespace": "models", "images": "reg/op", "schedule": "0 3 * * 0"}
    other, _ = deployment_files(load_plan("tiny-phi"), **options, kind="TrainJob")
    assert {name for name in files if files[name] != other[name]} == {"kubernetes/60-run.yaml"}
    runtime, train = yaml.safe_load_all(other["kubernetes/60-run.yaml"])
    for kind, each in ((TrainerV1alpha1TrainingRuntime, runtime), (TrainerV1alpha1TrainJob, train)):
        read = kind.from_dict(each)
        assert read is not None and read.to_dict() == each  # what the API does not know is lost on the way
    assert train["spec"]["runtimeRef"]["name"] == runtime["metadata"]["name"] == "run-tiny-phi"
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert job["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    (own,) = yaml.safe_load_all(files["kubernetes/60-run.yaml"])
    pod = own["spec"]["template"]["spec"]
    pod["containers"][0]["name"] = "node"
    assert job["template"]["spec"] == own["spec"]
    whole = {"apiVersion": "batch/v1", "kind": "Job", "metadata": own["metadata"], "spec": job["template"]["spec"]}
    kubernetes_validate.validate(whole, kubernetes_validate.latest_version(), strict=True)


def test_a_bucket_takes_the_place_of_the_shared_volume(project: Path, files: dict[str, str]) -> None:
    options: dict[str, Any] = {"namespace": "models", "images": "reg/op", "schedule": "0 3 * * 0"}
    other, _ = deployment_files(load_plan("tiny-phi"), **options, store="s3://models/op")
    for each in objects(other):
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    assert "ReadWriteMany" in str(files) and "ReadWriteMany" not in str(other)
    users = [pod for pod in pods(other) if "olivepress-store" in str(pod)]
    assert len(users) == 4  # two groups of workers, the run and the retraining
    for pod in users:
        (container,) = pod["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "olivepress-store", "optional": True}}]
        assert "/store" not in str(container["volumeMounts"])
    (run,) = [command for command in commands(other) if "run" in command and "deployed/tiny-phi.yaml" in command]
    assert run[run.index("--store") + 1] == "s3://models/op"
    assert "'fsspec>=2025.3' s3fs ./olivepress" in other["images/build/Dockerfile"]
    for url in ("/shared", "s3://key:secret@models/op"):
        with pytest.raises(UsageError, match="--store"):
            deployment_files(load_plan("tiny-phi"), **options, store=url)


def test_every_object_is_created_before_it_is_referred_to(files: dict[str, str]) -> None:
    known = set[tuple[str, str]]()
    for each in objects(files):
        text = yaml.safe_dump(each)
        for claim in re.findall(r"claimName: (\S+)", text):
            assert ("PersistentVolumeClaim", claim) in known
        if "configMap:" in text:
            assert ("ConfigMap", "olivepress-recipe") in known
        assert each["kind"] == "Namespace" or each["metadata"]["namespace"] == "models"
        known.add((each["kind"], each["metadata"]["name"]))
    assert {kind for kind, _ in known} >= {
        "ConfigMap",
        "PersistentVolumeClaim",
        "Deployment",
        "Service",
        "Job",
        "CronJob",
    }


def test_names_of_objects_are_names_of_kubernetes() -> None:
    assert _dns("Phi_4.mini") == "phi-4-mini"
    assert _dns("x" * 39 + "._y") == "x" * 39
    assert NPU.name == "worker-qnn-build-qnn-npu"


def test_requests_are_the_plans_estimates(project: Path, files: dict[str, str]) -> None:
    plan = load_plan("tiny-phi")
    groups = {group.name: group for group in groups_of([plan])}
    assert set(groups) == {"worker-build", "worker-build-cuda"}
    needed = max(need(plan, plan.job(job)).memory_bytes for job in ("merge", "export-cpu-fp32", "export-cpu-int4"))
    assert groups["worker-build"].memory_bytes >= needed
    workers = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in objects(files)
               if each["metadata"]["name"].startswith("worker")}  # fmt: skip
    for name, group in groups.items():
        resources = workers[name]["containers"][0]["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        assert int(resources["requests"]["memory"].removesuffix("M")) * 10**6 >= group.memory_bytes
    assert workers["worker-build-cuda"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert workers["worker-build-cuda"]["nodeSelector"]["olivepress/cuda"] == "true"
    assert "nvidia.com/gpu" not in str(workers["worker-build"])
    assert claims_of([plan]).project >= 2 * sum(need(plan, job).kept_bytes for job in plan.jobs)


def test_no_pod_runs_as_root_and_no_secret_is_written(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for pod in pods(files):
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            for variable in container.get("env", ()):
                assert variable["name"] != "HF_TOKEN" or "value" not in variable
    assert not [each for each in objects(files) if each["kind"] == "Secret"]
    monkeypatch.setenv("HF_TOKEN", "hf_thisisnotwritten")
    again, _ = deployment_files(load_plan("tiny-phi"), namespace="models", images="reg/op", schedule="0 3 * * 0")
    assert again == files


def test_the_token_goes_to_those_who_fetch_models(files: dict[str, str]) -> None:
    having = [pod["containers"][0]["name"] for pod in pods(files) if "HF_TOKEN" in str(pod)]
    assert having == ["worker", "worker", "olivepress", "olivepress"]  # not MLflow, which has no login
    services = yaml.safe_load(files["compose.yaml"])["services"]
    assert [name for name in services if "HF_TOKEN" in str(services[name])] == [
        "worker-build-cuda",
        "worker-build",
        "run",
    ]


def test_pods_go_where_their_images_run_and_no_service_sets_their_variables(files: dict[str, str]) -> None:
    for pod in pods(files):
        assert pod["nodeSelector"]["kubernetes.io/arch"] == "amd64"
        assert pod["enableServiceLinks"] is False  # MLFLOW_PORT would be tcp://… of the Service


def test_mlflow_answers_to_the_name_that_runs_call_it_by(files: dict[str, str]) -> None:
    """From version 3.5 it refuses every host that it was not given."""
    called = [variable["value"] for pod in pods(files) for container in pod["containers"]
              for variable in container.get("env", ()) if variable["name"] == "MLFLOW_TRACKING_URI"]  # fmt: skip
    called.append(yaml.safe_load(files["compose.yaml"])["services"]["run"]["environment"]["MLFLOW_TRACKING_URI"])
    servers = [command for command in commands(files) if command[0] == "mlflow"]
    assert len(servers) == 2 and len(called) == 3
    for server in servers:
        allowed = server[server.index("--allowed-hosts") + 1].split(",")
        for uri in called:
            assert uri.removeprefix("http://") in allowed
        assert any(fnmatch.fnmatch("localhost:5000", host) for host in allowed)  # of kubectl port-forward
        assert not any(fnmatch.fnmatch("example.com:5000", host) for host in allowed)


def test_a_run_waits_for_workers_whose_images_are_fetched_and_repeats_no_failed_job(files: dict[str, str]) -> None:
    (run,) = [each for each in objects(files) if each["kind"] == "Job"]
    (rule,) = run["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob" and run["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    final = rule["onExitCodes"]["values"]
    assert SetupError.exit_code not in final  # no worker is there yet
    assert {error.exit_code for error in (UsageError, RecipeError, DataError, LintError, JobError)} == set(final)
    assert sum(10 * 2**number for number in range(run["spec"]["backoffLimit"])) >= 600  # seconds between the tries


def test_what_is_written_to_may_be_written_to(files: dict[str, str]) -> None:
    """By the user of the images, as a volume takes the owner of its folder there; and by the units."""
    image = files["images/build/Dockerfile"]
    (line,) = re.findall(r"install -d -o olivepress -g olivepress (.+)", image)
    assert image.index(line) < image.index("USER olivepress")
    services = yaml.safe_load(files["compose.yaml"])["services"]
    mounts = {place.split(":")[1] for service in services.values() for place in service["volumes"]}
    assert mounts - set(line.split()) == {"/tls"}
    unit = files["systemd/olivepress-worker.service"]
    assert "ProtectSystem=strict" in unit and "ReadWritePaths=-/shared/olivepress\n" in unit
    assert "HF_HOME=/var/lib/olivepress/hub" in unit and "--folder /var/lib/olivepress" in unit


def commands(files: dict[str, str]) -> list[list[str]]:
    found = [container["command"] for pod in pods(files) for container in pod["containers"]]
    found += [service["command"] for service in yaml.safe_load(files["compose.yaml"])["services"].values()]
    for name in ("olivepress-scheduler", "olivepress-worker"):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.read_string(files[f"systemd/{name}.service"])
        found.append(shlex.split(unit["Service"]["ExecStart"]))
    return found


def test_every_command_is_one_that_exists(files: dict[str, str]) -> None:
    checked = 0
    for command in commands(files):
        if not command[0].endswith("olivepress"):
            assert Path(command[0]).name in ("dask", "mlflow")
            continue
        verb: Any = get_command(app)
        arguments = command[1:]
        while hasattr(verb, "commands"):
            verb = verb.commands[arguments.pop(0)]
        options = {option for parameter in verb.params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= options, command
        checked += 1
    assert checked >= 8


def test_the_scheduler_is_reached_with_tls_only(files: dict[str, str]) -> None:
    schedulers = [command for command in commands(files) if command[0].endswith("dask")]
    assert len(schedulers) == 3
    for command in schedulers:
        assert "tls://0.0.0.0" in command and "--tls-key" in command and "--no-dashboard" in command
    for command in commands(files):
        if "--scheduler" in command:
            assert "--tls" in command and "--insecure" not in command


def test_the_recipe_in_the_config_map_is_the_recipe(project: Path, files: dict[str, str]) -> None:
    (config,) = [each for each in objects(files) if each["kind"] == "ConfigMap"]
    Path("again.yaml").write_text(config["data"]["tiny-phi.yaml"])
    assert load_recipe(Path("again.yaml")) == load_recipe(Path("recipes/tiny-phi.yaml"))


def test_images_install_the_locks_by_their_hashes(files: dict[str, str]) -> None:
    text = files["images/build/Dockerfile"]
    for lock in re.findall(r"^COPY (\S+\.txt)", text, re.MULTILINE):
        assert f"--require-hashes -r {lock}" in text
        committed = ROOT / "src" / "olivepress" / "catalog" / "environments" / "locks" / lock
        assert files[f"images/build/{lock}"] == committed.read_text(encoding="utf-8")
    assert "USER olivepress" in text and f"olivepress-{__version__}-py3-none-any.whl" in text
    (pinned,) = re.findall(r'"(distributed==[^"]+)"', (ROOT / "pyproject.toml").read_text())
    assert pinned in text and "python:3.11-slim" in text
    assert "qnn-build-linux-x86_64.txt" in dockerfile("qnn-build")


def test_a_gpu_of_compose_and_a_worker_of_another_environment() -> None:
    gpu = WorkerGroup(environment="build", device="cuda", memory_bytes=10**9, disk_bytes=10**9, jobs=("x",))
    services = compose("phi", "op", "build", [gpu, NPU])["services"]
    assert services["worker-build-cuda"]["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 1
    assert services["worker-qnn-build-qnn-npu"]["image"] == f"op-qnn-build:{__version__}"
    assert "mlflow" not in services["run"]["command"] and services["run"]["profiles"] == ["run"]


def test_the_verb_writes_the_files(
    project: Path, olivepress_here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = olivepress_here("k8s", "render", "tiny-phi", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "kubectl apply -f out/kubernetes" in done.stdout
    assert sorted(path.name for path in Path("out/kubernetes").iterdir())[0] == "00-namespace.yaml"
    with pytest.raises(RecipeError):
        load_recipe(Path("out/compose.yaml"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"namespace": "Models"}, "--namespace Models: expected letters a-z"),
        ({"namespace": "m" * 64}, "at most 63"),
        ({"images": "reg/My Images"}, "--images reg/My Images: expected a name"),
        ({"schedule": "weekly"}, "--schedule weekly: expected five fields"),
    ],
)
def test_what_kubernetes_would_refuse(project: Path, changed: dict[str, str], says: str) -> None:
    options = {"namespace": "models", "images": "reg:5000/op", "schedule": "@weekly"}
    deployment_files(load_plan("tiny-phi"), **options)
    with pytest.raises(UsageError, match=says):
        deployment_files(load_plan("tiny-phi"), **options | changed)
