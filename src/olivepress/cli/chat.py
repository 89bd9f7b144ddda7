"""Answers of a model folder on the command line, with a package's adapters."""

from __future__ import annotations

from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from olivepress.adapters import check_adapter, read_package
from olivepress.adapters.package import PACKAGE
from olivepress.core.artifact import MANIFEST, read_manifest
from olivepress.core.errors import AdapterError, OlivepressError, UsageError
from olivepress.core.messages import typed_text
from olivepress.runtimes.artifact_safety import check_artifact
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.chat_template.model_config import check_context, context_length, eos_token_ids
from olivepress.runtimes.chat_template.prompts import encode_parts, question_parts
from olivepress.runtimes.genai_model import GenaiModel

__all__ = ["Chat"]

HELP = "each line is a question; /adapter NAME, /base (no adapter), /adapters (list them), /quit"


class Chat:
    """An opened model folder; switching adapters does not load it again. Greedy, and each question stands alone.

    AdapterError for an adapter that is not there or does not fit, UsageError for a folder of another runtime,
    ReportError for an artifact whose files are not those of its manifest.
    """

    def __init__(self, model_dir: Path, *, adapter: str | None, max_tokens: int) -> None:
        if runtime_of(model_dir) != "onnxruntime-genai":
            raise UsageError(f"{model_dir}: not a model of ONNX Runtime GenAI")
        check_artifact(model_dir)
        if (model_dir / MANIFEST).is_file():
            read_manifest(model_dir, verify=True)
        self._dir, self._max_tokens = model_dir, max_tokens
        self._package = read_package(model_dir) if (model_dir / PACKAGE).is_file() else None
        self.adapter: str | None = None
        if adapter is not None:
            self._check(adapter)  # before a large base is loaded
        self._base = self._model = GenaiModel(model_dir)
        self.use(adapter)

    @property
    def adapters(self) -> tuple[str, ...]:
        return tuple(self._package.adapters) if self._package else ()

    def use(self, adapter: str | None) -> None:
        """Answer with this adapter from now on, or with the base alone."""
        file = self._check(adapter) if adapter is not None else None
        self._model, self.adapter = self._base.with_adapter(file), adapter

    def _check(self, adapter: str) -> Path:
        if self._package is None:
            raise AdapterError(
                f"{self._dir}: not a package, so it has no adapter {adapter!r}", next_step="leave it out"
            )
        check_adapter(self._dir, self._package, adapter)
        return self._dir / self._package.adapters[adapter].file

    def answer(self, question: str) -> str:
        """The greedy answer to one question in the model's own chat template. DataError when it is too long."""
        parts = question_parts(self._dir, [{"role": "user", "content": question}])
        ids = encode_parts(self._model.encode, parts)
        check_context(self._dir, [ids])
        limit, longest = context_length(self._dir), len(ids) + self._max_tokens
        generation = self._model.generation(longest if limit is None else min(longest, limit))
        generation.append(ids)
        while not generation.done():
            generation.step()
        ends = set(eos_token_ids(self._dir))
        return self._model.decode([token for token in generation.tokens()[len(ids) :] if token not in ends])

    def run(self, questions: TextIO, out: TextIO) -> None:
        """Ask until the input ends; on a terminal with a prompt that names the adapter."""
        interactive = questions.isatty()
        if isinstance(questions, TextIOWrapper):
            questions.reconfigure(errors="surrogateescape")  # for typed_text
        if interactive:
            print(HELP, file=out)
        while True:
            if interactive:
                print(f"{self.adapter or 'base'}> ", end="", file=out, flush=True)
            line = questions.readline()
            if not line or line.strip() == "/quit":
                return
            try:
                line = typed_text(line, "the question")
                reply = self._command(line.strip()) if line.startswith("/") else self.answer(line.rstrip("\n"))
            except OlivepressError as error:
                if not interactive:
                    raise
                reply = str(error)
            if line.strip():
                print(reply, file=out, flush=True)

    def _command(self, line: str) -> str:
        verb, _, name = line.partition(" ")
        if verb == "/adapters":
            return ", ".join(self.adapters) or "none"
        if verb == "/base" or (verb == "/adapter" and name):
            self.use(name.strip() if verb == "/adapter" else None)
            return f"now {self.adapter or 'the base alone'}"
        return HELP
