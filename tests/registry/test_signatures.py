"""Signatures: verified by cryptography's Ed25519 by hand, tampering, keys that are lost, foreign or unknown."""

from __future__ import annotations

import base64
import hashlib
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from olivepress.core.errors import ReportError, SetupError, UsageError
from olivepress.core.layout import TRUSTED_KEYS, device_report, job_dir
from olivepress.registry.gate import GateResult
from olivepress.registry.signatures import new_key, sign, signature_of, signature_path, signed_file
from tests.registry.memory_registry import MemoryRegistry
from tests.registry.project import JOB, TARGET, right, write_good, write_measured
from tests.registry.test_crashes import registry
from tests.registry.test_gates import judge, not_held
from tests.report.factory import MACHINE

__all__ = ["registry"]
pytestmark = pytest.mark.usefixtures("here")
Command = Callable[..., CompletedProcess[str]]
SECRET, ARTIFACT = Path("own.key"), job_dir("lamps", JOB)
MANIFEST, REPORT = ARTIFACT / "manifest.json", device_report(MACHINE.id, "lamps", JOB)


@pytest.fixture
def signed(here: Path) -> None:
    """A good project whose artifact and report are signed."""
    write_good()
    new_key(SECRET, "")
    for path in (ARTIFACT, REPORT):
        sign(signed_file(path), SECRET, "")


def verdict(required: bool = True) -> GateResult:
    return judge(require_signature=required)["signature"]


@pytest.mark.usefixtures("signed")
def test_a_signature_is_ed25519_over_the_blake2b_of_the_manifest() -> None:
    """As https://jedisct1.github.io/minisign says: by hand, with another library's curve."""
    (public,) = TRUSTED_KEYS.glob("*.pub")
    key = base64.b64decode(public.read_bytes().split(b"\n")[1])
    _, text, trusted, outer = signature_path(MANIFEST).read_bytes().split(b"\n")[:4]
    body = base64.b64decode(text)
    assert (key[:2], body[:2], key[2:10]) == (b"Ed", b"ED", body[2:10])
    curve = Ed25519PublicKey.from_public_bytes(key[10:])
    curve.verify(body[10:], hashlib.blake2b(MANIFEST.read_bytes()).digest())  # raises where it is not valid
    curve.verify(base64.b64decode(outer), body[10:] + trusted.removeprefix(b"trusted comment: "))
    assert public.stem == key[2:10][::-1].hex().upper() == signature_of(MANIFEST).key


@pytest.mark.usefixtures("signed")
def test_what_is_signed_passes_and_the_key_is_recorded(registry: MemoryRegistry) -> None:
    from tests.registry.test_crashes import promote

    assert not_held(judge(require_signature=True)) == {}
    line = promote().line
    (public,) = TRUSTED_KEYS.glob("*.pub")
    assert line is not None and line.signed_by == public.stem


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize("required", [True, False])
def test_a_report_or_manifest_that_was_changed_fails_in_any_case(required: bool) -> None:
    write_measured(JOB, right(1.0), artifact_sha256=signed_manifest(), synthetic_data=True)  # measured again, unsigned
    result = verdict(required)
    assert result.outcome == "fail" and f"{REPORT.as_posix()}: was changed after it was signed" in result.evidence
    assert f"olivepress sign {REPORT.as_posix()} --key FILE" in result.next_step


def signed_manifest() -> str:
    from olivepress.core.artifact import read_manifest

    return read_manifest(ARTIFACT).sha256


@pytest.mark.usefixtures("signed")
def test_a_tampered_file_of_the_artifact() -> None:
    """The signature is that of the manifest, and the manifest has the file's hash."""
    (ARTIFACT / "model.onnx").write_text("\0Weights")
    assert not_held(judge(require_signature=True)) == {"files": "fail"}
    with pytest.raises(ReportError, match=r"model\.onnx is not the file"):
        signed_file(ARTIFACT)


@pytest.mark.usefixtures("signed")
@pytest.mark.parametrize(
    "text", [b"", b"x\ny\nz\n", b"\xff" * 100, b"untrusted comment: x\nAAAA\n", b"a" * 100_000], ids=range(5)
)
def test_a_damaged_signature(text: bytes) -> None:
    signature_path(MANIFEST).write_bytes(text)
    result = verdict(required=False)
    assert result.outcome == "fail" and "its signature is damaged" in result.evidence[0]


@pytest.mark.usefixtures("signed")
def test_a_key_that_this_project_does_not_trust() -> None:
    (public,) = TRUSTED_KEYS.glob("*.pub")
    public.unlink()
    assert f"signed with key {public.stem}, which this project does not trust" in verdict().evidence[0]
    assert verdict(required=False).outcome == "not required"
    with pytest.raises(UsageError, match="is not trusted here"):
        sign(MANIFEST, SECRET, "")


@pytest.mark.usefixtures("signed")
def test_a_public_key_that_was_damaged() -> None:
    (public,) = TRUSTED_KEYS.glob("*.pub")
    public.write_text("untrusted comment: x\nAAAA\n")
    with pytest.raises(SetupError, match="is not a public key of minisign"):
        signature_of(MANIFEST)


@pytest.mark.usefixtures("signed")
def test_a_secret_key_that_was_lost() -> None:
    SECRET.unlink()
    with pytest.raises(UsageError, match="no such file"):
        sign(MANIFEST, SECRET, "")
    assert verdict().outcome == "pass"  # what it signed stays valid
    new_key(SECRET, "")
    sign(MANIFEST, SECRET, "")
    assert len(list(TRUSTED_KEYS.glob("*.pub"))) == 2 and verdict().outcome == "pass"


def test_an_unsigned_artifact_is_refused_only_where_it_must_be_signed() -> None:
    write_good()
    assert verdict(required=False).outcome == "not required"
    result = verdict()
    assert result.outcome == "fail" and len(result.evidence) == 2
    assert result.next_step == f"olivepress sign {ARTIFACT.as_posix()} {REPORT.as_posix()} --key FILE"


def test_the_command_with_a_password(olivepress_here: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import minisign

    monkeypatch.setattr(minisign.secret_key, "OPSLIMIT", 32768)  # a quick one
    monkeypatch.setenv("OLIVEPRESS_KEY_PASSWORD", "correct horse")
    write_good()
    done = olivepress_here("sign", str(ARTIFACT), str(REPORT), "--new-key", str(SECRET))
    assert done.returncode == 0 and done.stdout.count("signed: ") == 2, done.stderr
    if sys.platform != "win32":
        assert stat.S_IMODE(SECRET.stat().st_mode) == 0o600
    assert verdict().outcome == "pass"
    assert olivepress_here("sign", str(ARTIFACT), "--new-key", str(SECRET)).returncode == 2  # never overwritten
    assert olivepress_here("sign", str(ARTIFACT)).returncode == 2
    monkeypatch.setenv("OLIVEPRESS_KEY_PASSWORD", "wrong")
    done = olivepress_here("sign", str(ARTIFACT), "--key", str(SECRET))
    assert done.returncode == 2 and "wrong password" in done.stderr and done.stderr.count("\n") == 1
    done = olivepress_here("sign", str(ARTIFACT), "--key", str(REPORT))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert TARGET in JOB
