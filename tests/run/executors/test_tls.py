"""Who has no certificate of the cluster's authority gets nowhere; the certificates are made as docs/cluster.md says."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from olivepress.core.errors import SetupError
from olivepress.run.executors.address import security_of
from olivepress.run.executors.cluster import Cluster
from olivepress.run.executors.engine import run_tasks
from olivepress.run.executors.store import open_store
from tests.conftest import ROOT
from tests.run.executors.cluster_here import EchoTask, Silent, announcement, assert_done_once, cluster_here

pytest.importorskip("distributed", reason="the extra cluster is not installed")
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def certificates(folder: Path) -> Path:
    """By the commands of the documentation, word for word."""
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(openssl req -x509.*?)```", text, re.DOTALL)
    folder.mkdir()
    subprocess.run(["bash", "-e", "-c", block], cwd=folder, check=True, capture_output=True)
    return folder / "tls"


def test_the_certificates_are_accepted_by_strict_rules(tmp_path: Path) -> None:
    """Python 3.13 checks them so."""
    folder = certificates(tmp_path / "own")
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem", "cert.pem"]
    for purpose in ("sslclient", "sslserver"):
        command[4] = purpose
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "cert.pem: OK", done.stdout + done.stderr
    assert not (folder / "ca-key.pem").exists()  # the authority's key does not travel


def test_only_certificates_of_the_clusters_authority_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own, foreign = certificates(tmp_path / "own"), certificates(tmp_path / "foreign")
    store = open_store(str(tmp_path / "store"), create=True)
    with cluster_here(tmp_path / "cluster", announcement("one"), tls=own) as started:
        task = EchoTask(name="job", store=store, topic="test")
        with Cluster(started.address, security_of(own), topic="test") as cluster:
            run_tasks([task], cluster, Silent())
        assert_done_once([task])
        # A certificate of somebody else's authority; no TLS at all; TLS without a certificate.
        with (
            pytest.raises(SetupError, match="no scheduler answers"),
            Cluster(started.address, security_of(foreign), topic="test"),
        ):
            pass
        with (
            pytest.raises(SetupError, match="no scheduler answers"),
            Cluster(started.address.replace("tls", "tcp"), None, topic="test"),
        ):
            pass
        assert not answers_without_a_certificate(started.port)
        # The worker listens, and asks for a certificate as well.
        with Cluster(started.address, security_of(own), topic="test") as cluster:
            (worker,) = cluster.workers()
        assert worker.address.startswith("tls://")
        assert not answers_without_a_certificate(int(worker.address.rpartition(":")[2]))


def answers_without_a_certificate(port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain, context.wrap_socket(plain) as wrapped:
            return bool(wrapped.recv(1))  # the server's refusal comes with the first bytes
    except OSError:
        return False
