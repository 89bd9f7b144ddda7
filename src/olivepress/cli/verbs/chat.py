"""``olivepress chat``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption
from olivepress.core.errors import UsageError
from olivepress.core.messages import typed_text

__all__ = ["chat"]


def chat(
    model_dir: Annotated[Path, typer.Argument(metavar="DIR", help="A package, or any exported artifact.")],
    adapter: Annotated[
        str | None,
        typer.Option("--adapter", metavar="NAME", help="An adapter of the package; without it, the base alone."),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Answer this and exit, instead of asking.")
    ] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, max=1_000_000, help="Most tokens of each answer.")
    ] = 256,
    as_json: JsonOption = False,
) -> None:
    """Ask an exported artifact or a package.

    Answers are greedy; each line is a separate question.
    """
    from olivepress.cli.chat import Chat

    session = Chat(model_dir, adapter=adapter, max_tokens=max_tokens)
    if prompt is not None:
        prompt = typed_text(prompt, "--prompt")
        answer = session.answer(prompt)
        print(json.dumps({"adapter": session.adapter, "prompt": prompt, "answer": answer}) if as_json else answer)
        return
    if as_json:
        raise UsageError("--json is for one --prompt", next_step="olivepress chat DIR --prompt TEXT --json")
    session.run(sys.stdin, sys.stdout)
