"""Signatures of artifacts and reports, in minisign's format: ``FILE.minisig`` beside the file.

An artifact is signed by its manifest, which has the hash of every file. Public keys that count lie in
``registry/keys/``; a secret key stays where its owner keeps it.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from olivepress.core.artifact import MANIFEST, read_manifest
from olivepress.core.bounded import REPORT, read_bytes
from olivepress.core.errors import OlivepressError, ReportError, SetupError, UsageError
from olivepress.core.files import write_bytes, write_secret
from olivepress.core.layout import TRUSTED_KEYS
from olivepress.registry.case import Signature
from olivepress.report.device_report import read_report

__all__ = [
    "LARGEST_SIGNATURE",
    "BadSignatureError",
    "key_id",
    "new_key",
    "new_pair",
    "public_key",
    "secret_key",
    "sign",
    "signature_of",
    "signature_path",
    "signed_file",
    "verify",
]

LARGEST_SIGNATURE = 64 * 1024  # bytes of a key or a signature: a few hundred


class BadSignatureError(Exception):
    """A signature that does not fit what it is beside; the text says how."""


def signature_path(file: Path) -> Path:
    return file.with_name(f"{file.name}.minisig")


def signed_file(path: Path) -> Path:
    """The file that is signed for an artifact's folder or a report. ReportError for what is neither, or was changed."""
    if path.is_dir():
        read_manifest(path, verify=True)
        return path / MANIFEST
    read_report(path)
    return path


def new_key(secret: Path, password: str) -> Path:
    """A new key pair: the secret key in ``secret``, which must not be there, encrypted unless ``password`` is "".

    Returns the public key's file, below ``registry/keys/``.
    """
    key, public_text = new_pair(password)
    try:
        write_secret(secret, key)
    except FileExistsError:
        raise UsageError(f"{secret}: is there already", next_step="sign with it, or name another file") from None
    public = TRUSTED_KEYS / f"{key_id(public_text)}.pub"
    write_bytes(public, public_text)
    return public


def new_pair(password: str = "") -> tuple[bytes, bytes]:
    """The texts of a new secret key, encrypted unless ``password`` is "", and of its public key."""
    pair = _minisign().KeyPair.generate()
    with pair.secret_key as key:
        if password:
            key.encrypt(password)
        return bytes(key) + b"\n", bytes(pair.public_key) + b"\n"


def sign(file: Path, secret: Path, password: str, *, trusted: bool = True) -> Path:
    """Sign a file; the signature's file. UsageError as ``secret_key``, and for a key whose public half this project
    does not trust, unless ``trusted`` is false: a device has no list of keys."""
    with secret_key(secret, password) as key:
        if trusted:
            _check_trusted(key_id(bytes(key.get_public_key())))
        data = read_bytes(file, REPORT, ReportError)
        made = key.sign(data, trusted_comment=f"file:{file.name}")
    path = signature_path(file)
    write_bytes(path, bytes(made) + b"\n")
    return path


@contextlib.contextmanager
def secret_key(secret: Path, password: str) -> Iterator[Any]:
    """minisign's secret key in a file. UsageError for one that is lost, is none, or has another password."""
    try:
        with _minisign().SecretKey.from_bytes(read_bytes(secret, LARGEST_SIGNATURE, UsageError)) as key:
            if key.is_encrypted():
                key.decrypt(password)
            yield key
    except FileNotFoundError as error:
        step = "olivepress sign PATH --new-key FILE makes a new one; what the lost one signed stays valid"
        raise UsageError(f"{error.filename}: no such file", next_step=step) from None
    except ValueError as error:  # minisign's errors
        step = "set OLIVEPRESS_KEY_PASSWORD to the key's password, or name a secret key of minisign"
        raise UsageError(f"{secret}: {error}", next_step=step) from None


def _check_trusted(key: str) -> None:
    if key not in _trusted():
        raise UsageError(
            f"key {key} is not trusted here: its public half is not in {TRUSTED_KEYS.as_posix()}",
            next_step=f"copy its .pub file into {TRUSTED_KEYS.as_posix()}",
        )


def signature_of(file: Path) -> Signature:
    """The signature of a file, verified with the trusted keys."""
    path = signature_path(file)
    if not path.is_file():
        return Signature(file=file, problem="is not signed")
    try:
        signature = read_bytes(path, LARGEST_SIGNATURE, ReportError)
        key = key_id(signature)
        public = _trusted().get(key)
        if public is None:
            return Signature(file=file, problem=f"signed with key {key}, which this project does not trust")
        verify(read_bytes(file, REPORT, ReportError), signature, public)
    except (OSError, ReportError, ValueError):
        return Signature(file=file, problem="its signature is damaged", broken=True)
    except BadSignatureError as error:
        return Signature(file=file, problem=str(error), broken=True)
    return Signature(file=file, key=key)


def verify(data: bytes, signature: bytes, public: Any) -> None:
    """BadSignatureError unless the owner of a public key signed exactly ``data``."""
    try:
        public.verify(data, _minisign().Signature.from_bytes(signature))
    except (ValueError, IndexError) as error:  # minisign's errors
        changed = type(error).__name__ == "VerifyError"
        raise BadSignatureError("was changed after it was signed" if changed else "its signature is damaged") from None


def _trusted() -> Mapping[str, Any]:
    """Id → public key."""
    return dict(_public_keys())


def _public_keys() -> Iterator[tuple[str, Any]]:
    for path in sorted(TRUSTED_KEYS.glob("*.pub")):
        try:
            data = read_bytes(path, LARGEST_SIGNATURE, SetupError)
            yield key_id(data), public_key(data)
        except (OSError, ValueError, OlivepressError):
            step = "restore it (git checkout), or remove it if nothing that it signed is to count"
            raise SetupError(f"{path}: is not a public key of minisign", next_step=step) from None


def public_key(text: bytes) -> Any:
    """minisign's public key from the text of its file. ValueError for another text."""
    try:
        return _minisign().PublicKey.from_bytes(text)
    except IndexError:
        raise ValueError("not a public key of minisign") from None


def key_id(text: bytes) -> str:
    """The id in the second line of a key or a signature, as minisign shows it: bytes 2 to 9, the last first.

    ValueError for another text.
    """
    lines = text.split(b"\n")
    body = base64.b64decode(lines[1]) if len(lines) > 1 else b""
    if len(body) < 10:
        raise ValueError("neither a key nor a signature of minisign")
    return body[2:10][::-1].hex().upper()


def _minisign() -> Any:
    try:
        import minisign
    except ImportError:
        raise SetupError("py-minisign is not installed", next_step="pip install 'olivepress[sign]'") from None
    return minisign
