"""``olivepress sign``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import key_password

__all__ = ["sign"]


def sign(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders of artifacts, and device reports.")],
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The secret key to sign with.")] = None,
    new_key: Annotated[
        Path | None,
        typer.Option("--new-key", metavar="FILE", help="Make a key there, trust it in this project, and sign with it."),
    ] = None,
) -> None:
    """Sign artifacts and device reports with a local key, in minisign's format.

    OLIVEPRESS_KEY_PASSWORD is the password of the key; a terminal is asked for one. promote --require-signature
    accepts the keys in registry/keys.
    """
    from olivepress.core.errors import UsageError
    from olivepress.registry import signatures

    secret = key or new_key
    if secret is None or (key is not None and new_key is not None):
        raise UsageError("expected one of --key and --new-key", next_step="olivepress sign --help")
    files = [signatures.signed_file(path) for path in paths]
    password = key_password(secret, is_new=new_key is not None)
    if new_key is not None:
        print(f"public key: {signatures.new_key(new_key, password)}; keep {new_key} secret, and a copy of it")
    for file in files:
        print(f"signed: {signatures.sign(file, secret, password)}")
