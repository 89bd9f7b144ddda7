"""Presidio's recognizers that work by pattern and check digit, without those that need a language model."""

from __future__ import annotations

from typing import Any

from olivepress.core.errors import SetupError
from olivepress.data.prepare.personal_data import Finder, Finding, find_personal_data

__all__ = ["presidio_finder"]

# Presidio's names for the kinds that olivepress detects too; dates and links alone are not personal data.
_NAMES = {
    "EMAIL_ADDRESS": "e-mail address",
    "IBAN_CODE": "IBAN",
    "CREDIT_CARD": "payment card",
    "PHONE_NUMBER": "telephone number",
    "IP_ADDRESS": "IP address",
    "US_SSN": "national number",
}
_NOT_PERSONAL = {"URL", "DATE_TIME", "UUID"}
_MINIMUM_SCORE = 0.5  # below it only a pattern matched, without check digit or context


def presidio_finder() -> Finder:
    """A finder that adds the findings of Presidio's pattern recognizers for English, without overlaps.

    No language model is loaded, nothing is downloaded. Raises SetupError if presidio-analyzer is not installed.
    """
    recognizers = _recognizers()

    def find(text: str) -> list[Finding]:
        findings = find_personal_data(text)
        for recognizer in recognizers:
            for result in recognizer.analyze(text, recognizer.supported_entities, None) or ():
                kind = _NAMES.get(result.entity_type, result.entity_type.lower().replace("_", " "))
                finding = Finding(kind, result.start, result.end)
                is_new = all(finding.end <= known.start or finding.start >= known.end for known in findings)
                if result.score >= _MINIMUM_SCORE and result.entity_type not in _NOT_PERSONAL and is_new:
                    findings.append(finding)
        return sorted(findings, key=lambda finding: finding.start)

    return find


def _recognizers() -> list[Any]:
    try:
        import tldextract
        from presidio_analyzer import PatternRecognizer, RecognizerRegistry
    except ImportError as error:
        step = "pip install 'olivepress[privacy]', or omit --presidio"
        raise SetupError("presidio-analyzer is not installed", next_step=step) from error
    # The e-mail recognizer needs the public suffix list; the copy that tldextract ships needs no network.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    return [
        recognizer
        for recognizer in registry.recognizers
        if isinstance(recognizer, PatternRecognizer) and not _NOT_PERSONAL.issuperset(recognizer.supported_entities)
    ]
