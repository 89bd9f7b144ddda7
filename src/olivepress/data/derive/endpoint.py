"""Paraphrase and back-translation by a server with OpenAI's chat completions API, which only the user names."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from olivepress.core.errors import DataError, SetupError
from olivepress.data.derive.augment import Maker
from olivepress.data.derive.derivation import NewRow, question_of

__all__ = ["Endpoint", "back_translator", "paraphraser"]

_ATTEMPTS = 4
_KEY = "OLIVEPRESS_API_KEY"
_RETRIED = (408, 409, 429, 500, 502, 503, 504)


@dataclass(kw_only=True)
class Endpoint:
    """``url`` is without /chat/completions, as ``http://localhost:8000/v1``; the key is in OLIVEPRESS_API_KEY."""

    url: str
    model: str
    timeout_s: float = 60.0
    wait_s: float = 1.0
    _client: Any = field(default=None, repr=False)

    def ask(self, system: str, text: str, *, seed: int, temperature: float) -> str:
        """The server's answer. Raises DataError after four attempts, or at once if it refuses the request."""
        client = self._http()
        import httpx

        body = {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}],
            "temperature": temperature,
            "seed": seed,
        }
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(self.wait_s * 2 ** (attempt - 1))
            try:
                answer = client.post(f"{self.url.rstrip('/')}/chat/completions", json=body)
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__}: {error}"
                continue
            if answer.status_code in _RETRIED:
                reason = f"HTTP {answer.status_code}"
                continue
            return self._text(answer)
        raise DataError(f"{self.url}: no answer ({reason})", next_step="check --endpoint and its server")

    def _text(self, answer: Any) -> str:
        if answer.status_code != 200:
            raise DataError(
                f"{self.url}: HTTP {answer.status_code}, expected an answer", next_step=f"check --endpoint and {_KEY}"
            )
        try:
            text = answer.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise DataError(f"{self.url}: not a chat completions response", next_step="check --endpoint")
        return text.strip()

    def _http(self) -> Any:
        if self._client is None:
            try:
                import httpx
            except ImportError as error:
                raise SetupError("an endpoint needs httpx", next_step="pip install 'olivepress[data]'") from error
            key = os.environ.get(_KEY)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            self._client = httpx.Client(timeout=self.timeout_s, headers=headers)
        return self._client


def paraphraser(endpoint: Endpoint, count: int) -> Maker:
    """Rewords a question ``count`` times."""
    system = (
        "Say the user's text in other words, in its own language, with the same meaning. Answer with the text only."
    )

    def make(row: NewRow, rng: random.Random) -> Iterable[str]:
        question = question_of(row.example)
        for _ in range(count):
            yield endpoint.ask(system, question, seed=rng.randrange(2**31), temperature=0.9)

    return make


def back_translator(endpoint: Endpoint, language: str) -> Maker:
    """Translates the question into ``language`` and back."""

    def make(row: NewRow, rng: random.Random) -> Iterable[str]:
        question, seed = question_of(row.example), rng.randrange(2**31)
        forward = f"Translate the user's text into {language}. Answer with the translation only."
        foreign = endpoint.ask(forward, question, seed=seed, temperature=0.3)
        backward = (
            f"The user's text is {language}. Translate it into the language of this text: {question!r}. "
            "Answer with the translation only."
        )
        yield endpoint.ask(backward, foreign, seed=seed, temperature=0.3)

    return make
