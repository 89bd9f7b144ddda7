"""The same parts without Kubernetes: a Compose file for one machine, systemd units for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olivepress.pipeline.deploy.groups import WorkerGroup
from olivepress.pipeline.deploy.images import image_of

__all__ = ["MLFLOW_PORT", "MLFLOW_SERVER", "compose", "units"]

MLFLOW_PORT = 5000
# By which names it is reached: its Service, and a forwarded port. It refuses others, as a web page may use them.
_MLFLOW_HOSTS = f"mlflow:{MLFLOW_PORT},localhost:*,127.0.0.1:*"

_TLS = ("--tls-ca-file", "/tls/ca.pem", "--tls-cert", "/tls/cert.pem", "--tls-key", "/tls/key.pem")
_MLFLOW_STORES = ("--backend-store-uri", "sqlite:////mlflow/mlflow.db", "--artifacts-destination", "/mlflow/artifacts")
MLFLOW_SERVER = (
    "mlflow", "server", "--host", "0.0.0.0", "--port", str(MLFLOW_PORT), "--workers", "1", *_MLFLOW_STORES,
    "--allowed-hosts", _MLFLOW_HOSTS,
)  # fmt: skip
_SCHEDULER = ("dask", "scheduler", "--host", "tls://0.0.0.0", "--port", "8786", "--no-dashboard", "--no-jupyter", *_TLS)


# Models of the Hub are kept where the unit may write; a store that is a folder needs its path here.
_WORKER_OPTIONS = """\
EnvironmentFile=/etc/olivepress/worker.conf
Environment=HF_HOME=/var/lib/olivepress/hub
ReadWritePaths=-/shared/olivepress
KillSignal=SIGINT
"""


def compose(
    recipe: str, images: str, build: str, groups: Sequence[WorkerGroup], *, trust: bool = False
) -> Mapping[str, Any]:
    """Scheduler, workers, MLflow, and the run itself, of one machine; started in the project's folder. With ``trust``
    the targets beside the recipe may run code of their own."""
    services: dict[str, Any] = {
        "scheduler": _service(images, build, _SCHEDULER),
        "mlflow": {
            "image": image_of(images, "tracking-ui"),
            "command": list(MLFLOW_SERVER),
            "ports": [f"127.0.0.1:{MLFLOW_PORT}:{MLFLOW_PORT}"],
            "volumes": ["mlflow:/mlflow"],
        },
    }
    for group in groups:
        command = ["olivepress", "worker", "--scheduler", "tls://scheduler:8786", "--tls", "/tls", "--folder", "/work"]
        worker = _service(images, group.environment, command)
        worker |= {"depends_on": ["scheduler"], "restart": "unless-stopped", "mem_limit": str(group.memory_bytes)}
        worker["environment"] = {"HF_TOKEN": "${HF_TOKEN:-}"}
        worker["volumes"] = [*worker["volumes"], f"{group.name}:/work", "store:/store"]
        if group.device == "cuda":
            device = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
            worker["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
        services[group.name] = worker
    command = ["olivepress", "run", recipe, "--engine", "dask", "--scheduler", "tls://scheduler:8786", "--tls", "/tls"]
    run = _service(images, build, [*command, "--store", "/store", *(["--trust-targets"] if trust else [])])
    run |= {"profiles": ["run"], "depends_on": ["scheduler"], "working_dir": "/project"}
    run["volumes"] = [*run["volumes"], ".:/project", "store:/store"]
    run["environment"] = {"HF_TOKEN": "${HF_TOKEN:-}", "MLFLOW_TRACKING_URI": f"http://mlflow:{MLFLOW_PORT}"}
    volumes: dict[str, dict[str, str]] = {name: {} for name in ("store", "mlflow", *(group.name for group in groups))}
    return {"name": "olivepress", "services": {**services, "run": run}, "volumes": volumes}


def _service(images: str, environment: str, command: Sequence[str]) -> dict[str, Any]:
    return {
        "image": image_of(images, environment),
        "command": list(command),
        "volumes": ["./tls:/tls:ro"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


def units() -> dict[str, str]:
    """File name → text. They run as the user ``olivepress``, whose virtual environment is in /opt/olivepress."""
    scheduler = "/opt/olivepress/bin/" + " ".join(_SCHEDULER).replace("/tls/", "/etc/olivepress/tls/")
    worker = (
        "/opt/olivepress/bin/olivepress worker --scheduler ${OLIVEPRESS_SCHEDULER} "
        "--tls /etc/olivepress/tls --folder /var/lib/olivepress/work"
    )
    return {
        "olivepress-scheduler.service": _unit("Scheduler of olivepress (Dask)", scheduler),
        "olivepress-worker.service": _unit("Worker of olivepress", worker, _WORKER_OPTIONS),
        "worker.conf": "# Read by olivepress-worker.service; put it into /etc/olivepress.\n"
        "OLIVEPRESS_SCHEDULER=tls://scheduler.example.com:8786\n",
    }


def _unit(description: str, command: str, more: str = "") -> str:
    return f"""\
[Unit]
Description={description}
After=network-online.target
Wants=network-online.target

[Service]
User=olivepress
WorkingDirectory=/var/lib/olivepress
{more}ExecStart={command}
Restart=always
RestartSec=5
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
StateDirectory=olivepress

[Install]
WantedBy=multi-user.target
"""
