"""Signatures of artifacts and reports, in minisign's format: ``FILE.minisig`` beside the file.

An artifact is signed by its manifest, which has the hash of every file. Public keys that count lie in
``registry/keys/``; a secret key stays where its owner keeps it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from olivepress.core.artifact import MANIFEST, read_manifest
from olivepress.core.bounded import REPORT, read_bytes
from olivepress.core.errors import OlivepressError, ReportError, SetupError, UsageError
from olivepress.core.files import cannot_write, write_bytes
from olivepress.core.layout import TRUSTED_KEYS
from olivepress.registry.case import Signature
from olivepress.report.device_report import read_report

__all__ = ["new_key", "sign", "signature_of", "signature_path", "signed_file"]

_KEY = 64 * 1024  # bytes of a key or a signature: a few hundred


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
    pair = _minisign().KeyPair.generate()
    with pair.secret_key as key:
        if password:
            key.encrypt(password)
        _write_secret(secret, bytes(key) + b"\n")
    public = TRUSTED_KEYS / f"{_key_id(bytes(pair.public_key))}.pub"
    write_bytes(public, bytes(pair.public_key) + b"\n")
    return public


def _write_secret(path: Path, data: bytes) -> None:
    """For its owner alone; an existing key is never overwritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
    except FileExistsError:
        raise UsageError(f"{path}: is there already", next_step="sign with it, or name another file") from None
    except OSError as error:
        raise cannot_write(path, path.parent, error) from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def sign(file: Path, secret: Path, password: str) -> Path:
    """Sign a file; the signature's file. UsageError for a key that is lost, is none, or has another password, and for
    one whose public half this project does not trust."""
    try:
        with _minisign().SecretKey.from_bytes(read_bytes(secret, _KEY, UsageError)) as key:
            if key.is_encrypted():
                key.decrypt(password)
            _check_trusted(_key_id(bytes(key.get_public_key())))
            data = read_bytes(file, REPORT, ReportError)
            made = key.sign(data, trusted_comment=f"file:{file.name}")
    except FileNotFoundError as error:
        step = "olivepress sign PATH --new-key FILE makes a new one; what the lost one signed stays valid"
        raise UsageError(f"{error.filename}: no such file", next_step=step) from None
    except ValueError as error:  # minisign's errors
        step = "set OLIVEPRESS_KEY_PASSWORD to the key's password, or name a secret key of minisign"
        raise UsageError(f"{secret}: {error}", next_step=step) from None
    path = signature_path(file)
    write_bytes(path, bytes(made) + b"\n")
    return path


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
        data = read_bytes(path, _KEY, ReportError)
        signature = _minisign().Signature.from_bytes(data)
        key = _key_id(data)
        public = _trusted().get(key)
        if public is None:
            return Signature(file=file, problem=f"signed with key {key}, which this project does not trust")
        public.verify(read_bytes(file, REPORT, ReportError), signature)
    except (OSError, ReportError, ValueError, IndexError) as error:
        changed = type(error).__name__ == "VerifyError"
        problem = "was changed after it was signed" if changed else "its signature is damaged"
        return Signature(file=file, problem=problem, broken=True)
    return Signature(file=file, key=key)


def _trusted() -> Mapping[str, Any]:
    """Id → public key."""
    return dict(_public_keys())


def _public_keys() -> Iterator[tuple[str, Any]]:
    for path in sorted(TRUSTED_KEYS.glob("*.pub")):
        try:
            data = read_bytes(path, _KEY, SetupError)
            yield _key_id(data), _minisign().PublicKey.from_bytes(data)
        except (OSError, ValueError, IndexError, OlivepressError):
            step = "restore it (git checkout), or remove it if nothing that it signed is to count"
            raise SetupError(f"{path}: is not a public key of minisign", next_step=step) from None


def _key_id(text: bytes) -> str:
    """The id in the second line of a key or a signature, as minisign shows it: bytes 2 to 9, the last first."""
    return base64.b64decode(text.split(b"\n")[1])[2:10][::-1].hex().upper()


def _minisign() -> Any:
    try:
        import minisign
    except ImportError:
        raise SetupError("py-minisign is not installed", next_step="pip install 'olivepress[sign]'") from None
    return minisign
