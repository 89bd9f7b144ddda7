"""The scheduler's address, and how connections to it are protected."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

from olivepress.core.errors import SetupError, UsageError

__all__ = ["check_address", "is_loopback", "security_of"]

_ADDRESS = re.compile(r"(?:(tcp|tls)://)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_FILES = ("ca.pem", "cert.pem", "key.pem")


def check_address(address: str, *, tls: Path | None, insecure: bool = False) -> str:
    """The address with its protocol: ``tls://HOST:PORT``, or ``tcp://`` on this machine.

    Raises UsageError for any other address without TLS unless ``insecure``: whoever reaches an open scheduler runs code
    on every worker.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[3]) < 65536:
        raise UsageError(
            f"--scheduler {address}: expected tls://HOST:PORT, or tcp://127.0.0.1:PORT on this machine",
            next_step="see docs/cluster.md",
        )
    protocol, host, port = match[1] or ("tls" if tls else "tcp"), match[2], match[3]
    if protocol == "tls" and tls is None:
        raise UsageError(
            f"--scheduler {address}: TLS needs certificates, expected --tls FOLDER with {', '.join(_FILES)}",
            next_step="create them as in docs/cluster.md",
        )
    if protocol == "tcp" and tls is not None:
        raise UsageError(f"--scheduler {address}: --tls was given, expected tls://{host}:{port}")
    if protocol == "tcp" and not insecure and not is_loopback(host):
        raise UsageError(
            f"--scheduler {address}: without TLS, everybody who reaches this address can run code on every worker",
            next_step=f"--scheduler tls://{host}:{port} --tls FOLDER (docs/cluster.md), or --insecure on a network "
            "that nobody else uses",
        )
    return f"{protocol}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether the host is this machine by its very name: names are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def security_of(tls: Path | None) -> Any:
    """``distributed.Security`` that demands TLS and certificates of the folder's own authority; None without a folder.

    Raises SetupError for a file that is missing.
    """
    if tls is None:
        return None
    for name in _FILES:
        if not (tls / name).is_file():
            raise SetupError(f"--tls {tls}: has no {name}", next_step="create the certificates as in docs/cluster.md")
    from distributed.security import Security

    ca, cert, key = (str((tls / name).resolve()) for name in _FILES)
    return Security(
        tls_ca_file=ca,
        require_encryption=True,
        tls_client_cert=cert,
        tls_client_key=key,
        tls_worker_cert=cert,
        tls_worker_key=key,
    )
