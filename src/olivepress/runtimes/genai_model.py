"""Model folders opened with onnxruntime-genai."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.catalog.provider import provider
from olivepress.core.errors import JobError, SetupError, whole_message
from olivepress.runtimes.artifact_safety import check_settings
from olivepress.runtimes.base import config_number
from olivepress.runtimes.onnx_graph import GraphError
from olivepress.runtimes.plugins import is_emulated, register
from olivepress.runtimes.session import configured_providers
from olivepress.runtimes.weights import ACTIVE_ADAPTER, EVERY_POSITION, LAST_POSITION, decoder_config

__all__ = ["GenaiModel", "import_genai"]


class GenaiModel:
    """A ``base.LanguageModel``. SetupError without the package; JobError when it cannot open the folder.

    A folder with an ``adapter.onnx_adapter`` is run with that adapter; ``with_adapter`` replaces it without loading the
    model again. Without ``every_position`` the folder is opened as shipped and may return the logits of an append's
    last token only. ReportError, and nothing is loaded, for settings that ``check_settings`` refuses; ``profile`` is
    the prefix of the only files that the settings may ask to be written.
    """

    def __init__(self, model_dir: Path, *, every_position: bool = False, profile: str | None = None) -> None:
        check_settings(model_dir, profile=profile)
        self._og = import_genai()
        try:
            for name in configured_providers(model_dir):
                register(self._og, name)
            config = self._og.Config(str(model_dir))
            if every_position and (model_dir / LAST_POSITION).is_file():
                config.overlay(json.dumps({"model": {"decoder": {"filename": EVERY_POSITION}}}))
            self._model = self._og.Model(config)
        except Exception as error:  # the runtime's errors have no common base
            raise JobError(
                f"{model_dir}: cannot be opened ({whole_message(error)})", next_step="export the model again"
            ) from error
        self._tokenizer = self._og.Tokenizer(self._model)
        self.device = str(self._model.device_type)
        self.vocabulary = config_number(model_dir / "genai_config.json", "model", "vocab_size")
        self._window = _window(model_dir)
        self.windowed = self._window is not None
        self._recurrent = _is_recurrent(model_dir)
        self._by_token = any(_needs_single_tokens(name) for name in configured_providers(model_dir))
        self._adapter: tuple[Any, str] | None = None
        if (model_dir / ACTIVE_ADAPTER).is_file():
            self._adapter = self._loaded(model_dir / ACTIVE_ADAPTER)

    def with_adapter(self, file: Path | None) -> GenaiModel:
        """The same opened model with the adapter in ``file``, or none; weights are not loaded again.

        JobError when the adapter does not fit the model.
        """
        other = copy(self)
        other._adapter = None if file is None else self._loaded(file)
        return other

    def _loaded(self, file: Path) -> tuple[Any, str]:
        """The runtime's container of one adapter, and the adapter's name in it."""
        try:
            adapters = self._og.Adapters(self._model)
            adapters.load(str(file), file.stem)
        except Exception as error:  # the runtime's errors have no common base
            raise JobError(
                f"{file}: cannot be loaded ({whole_message(error)})", next_step="olivepress adapters check"
            ) from error
        return adapters, file.stem

    def encode(self, text: str) -> list[int]:
        return [int(token) for token in self._tokenizer.encode(text)]

    def decode(self, token_ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(token_ids))) if len(token_ids) else ""

    def apply_template(self, messages: str, tools: str = "") -> str:
        """Render a conversation (messages and tools as JSON) with the generation prompt, by the runtime itself.

        JobError with the first line of the runtime's error.
        """
        try:
            return str(self._tokenizer.apply_chat_template(messages, tools=tools or None, add_generation_prompt=True))
        except Exception as error:  # the runtime's errors have no common base
            raise JobError(str(error).strip().split("\n")[0][:200]) from error

    def answer_by_default(self, text: str) -> bool:
        """Generate one token with the settings of genai_config.json alone; True.

        JobError with the runtime's message when it fails.
        """
        try:
            generator = self._og.Generator(self._model, self._og.GeneratorParams(self._model))
            if self._adapter is not None:
                generator.set_active_adapter(*self._adapter)
            generator.append_tokens(self._tokenizer.encode(text))
            generator.generate_next_token()
        except Exception as error:  # the runtime's errors have no common base
            raise JobError(whole_message(error)) from error
        return True

    def generation(self, longest: int, *, shortest: int = 0) -> GenaiGeneration:
        """A greedy generation. ``longest`` is always set because genai's default may be 131072 tokens of KV cache."""
        params = self._og.GeneratorParams(self._model)
        # Padding counts as length; a padded prompt that reaches max_length aborts the process (tested, genai 0.14.1).
        room = self._window or 0
        params.set_search_options(
            do_sample=False,
            num_beams=1,
            max_length=longest + room,
            min_length=shortest + room if shortest else 0,
            repetition_penalty=1.0,  # the builder copies the model card's sampling advice; greedy means greedy
            no_repeat_ngram_size=0,
        )
        if self._recurrent:
            return RecurrentGeneration(lambda: self._begin(params))
        generator = self._begin(params)
        if self._window:
            return WindowedGeneration(generator, self._window, longest)
        return TokenGeneration(generator) if self._by_token else GenaiGeneration(generator)

    def _begin(self, params: Any) -> Any:
        generator = self._og.Generator(self._model, params)
        if self._adapter is not None:
            generator.set_active_adapter(*self._adapter)
        return generator


class GenaiGeneration:
    """A ``base.Generation``."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator
        self.step: Callable[[], object] = generator.generate_next_token  # called directly: nothing else may be timed

    def append(self, token_ids: Sequence[int]) -> None:
        self._generator.append_tokens(np.asarray(token_ids, dtype=np.int32))

    def logits(self) -> np.ndarray:
        # Not get_logits(): that is the sampler's view, one position early when the last token is the pad id, and after
        # rewind_to it runs the model once more and spoils the cache (tested, genai 0.14.1).
        return np.asarray(self._generator.get_output("logits")[0])

    def rewind(self, length: int) -> None:
        self._generator.rewind_to(length)

    def done(self) -> bool:
        return bool(self._generator.is_done())

    def tokens(self) -> list[int]:
        # The sequence does not include the EOS that ended it (tested, genai 0.14.1).
        return [int(token) for token in self._generator.get_sequence(0)]


class RecurrentGeneration(GenaiGeneration):
    """A model with linear attention or short convolutions: genai 0.18.0 takes the state of the former back only to a
    length at which it was saved, which ``rewind`` to the present length does, and that of LFM2 to none. The tokens up
    to any other length are read again."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        super().__init__(begin())
        self._begin = begin
        self._saved: int | None = None

    def rewind(self, length: int) -> None:
        tokens = self.tokens()
        if len(tokens) == length:
            self._generator.snapshot_state()
            self._saved = length
        elif not self._goes_back(length):
            self._generator, self._saved = self._begin(), None
            self.step = self._generator.generate_next_token
            self.append(tokens[:length])

    def _goes_back(self, length: int) -> bool:
        if length != self._saved:
            return False
        try:
            super().rewind(length)
        except RuntimeError:  # "currently not supported for lfm2": saving succeeds all the same
            return False
        return True


class TokenGeneration(GenaiGeneration):
    """Appends one token at a time, a workaround for WebGPU on software Vulkan.

    Attention over several tokens is wrong there as soon as there are more keys than lanes in a subgroup; over a single
    token it is right (tested, onnxruntime-ep-webgpu 0.4.0 on Mesa 25).
    """

    def __init__(self, generator: Any) -> None:
        super().__init__(generator)
        self._rows: list[np.ndarray] = []
        self.step = self._step

    def _step(self) -> None:
        self._rows = []
        self._generator.generate_next_token()

    def append(self, token_ids: Sequence[int]) -> None:
        self._rows = []
        for token in token_ids:
            super().append([token])
            self._rows.append(super().logits())

    def logits(self) -> np.ndarray:
        return np.concatenate(self._rows) if self._rows else super().logits()


class WindowedGeneration(GenaiGeneration):
    """A model compiled for prompts in windows of a fixed length: genai pads the last window and counts the padding."""

    def __init__(self, generator: Any, window: int, longest: int) -> None:
        super().__init__(generator)
        self._window, self._longest = window, longest
        self._given: list[int] = []
        self._logits: list[np.ndarray] = []

    def append(self, token_ids: Sequence[int]) -> None:
        if len(self._given) % self._window:
            raise JobError("a prompt that ended inside a window cannot be continued", next_step="append it whole")
        self._logits = []
        for start in range(0, len(token_ids), self._window):
            part = token_ids[start : start + self._window]
            super().append(part)
            self._logits.append(super().logits()[: len(part)])
        self._given += [int(token) for token in token_ids]

    def logits(self) -> np.ndarray:
        return np.concatenate(self._logits)

    def rewind(self, length: int) -> None:
        raise JobError("a model with a cache of fixed length cannot forget tokens", next_step="export for the CPU")

    def done(self) -> bool:
        return super().done() or len(self.tokens()) >= self._longest

    def tokens(self) -> list[int]:
        padded = -(-len(self._given) // self._window) * self._window
        return [*self._given, *super().tokens()[padded:]]


def _is_recurrent(model_dir: Path) -> bool:
    """Whether layers have a state of a fixed size instead of a cache: the settings name it among the inputs."""
    try:
        names = decoder_config(model_dir).get("inputs")
    except GraphError:
        return False
    return isinstance(names, dict) and bool({"past_conv_names", "past_recurrent_names"} & set(names))


def _window(model_dir: Path) -> int | None:
    """Tokens of a prompt window where the graphs are compiled for a fixed length, else None."""
    try:
        decoder = decoder_config(model_dir)
    except GraphError:
        return None
    window = decoder.get("sliding_window")
    if "pipeline" not in decoder or not isinstance(window, dict):
        return None
    size = window.get("window_size")
    return size if isinstance(size, int) and size > 0 else None


def _needs_single_tokens(name: str) -> bool:
    """Whether the provider computes a prompt correctly only one token at a time: in software some do."""
    emulation = provider(name).emulation
    return emulation is not None and emulation.by_token and is_emulated(name)


def import_genai() -> Any:
    """The module onnxruntime_genai. SetupError with the command that installs it when it is missing."""
    try:
        import onnxruntime_genai
    except ImportError as error:
        raise SetupError(
            f"onnxruntime-genai cannot be imported ({error})", next_step="pip install 'olivepress[cpu]'"
        ) from error
    return onnxruntime_genai
