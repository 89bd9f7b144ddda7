"""Presidio's recognizers that work by pattern and check digit; those that need a language model are left out."""

from __future__ import annotations

from typing import Any

from olivepress.core.errors import SetupError
from olivepress.data.prepare.personal import Finder, Finding, find_personal

__all__ = ["presidio_finder"]

# Its own names, and what we call the same thing; dates and links are no personal data by themselves.
_NAMES = {
    "EMAIL_ADDRESS": "e-mail address",
    "IBAN_CODE": "IBAN",
    "CREDIT_CARD": "payment card",
    "PHONE_NUMBER": "telephone number",
    "IP_ADDRESS": "IP address",
    "US_SSN": "national number",
}
_NOT_PERSONAL = {"URL", "DATE_TIME", "UUID"}
_SURE = 0.5  # of Presidio's score: below, a pattern alone matched, without check digit or context


def presidio_finder() -> Finder:
    """Our own findings and those of Presidio's pattern recognizers for English, without overlaps.

    No language model is loaded, nothing is downloaded. SetupError where presidio-analyzer is not installed.
    """
    recognizers = _recognizers()

    def find(text: str) -> list[Finding]:
        findings = find_personal(text)
        for recognizer in recognizers:
            for result in recognizer.analyze(text, recognizer.supported_entities, None) or ():
                kind = _NAMES.get(result.entity_type, result.entity_type.lower().replace("_", " "))
                finding = Finding(kind, result.start, result.end)
                is_new = all(finding.end <= known.start or finding.start >= known.end for known in findings)
                if result.score >= _SURE and result.entity_type not in _NOT_PERSONAL and is_new:
                    findings.append(finding)
        return sorted(findings, key=lambda finding: finding.start)

    return find


def _recognizers() -> list[Any]:
    try:
        import tldextract
        from presidio_analyzer import PatternRecognizer, RecognizerRegistry
    except ImportError as error:
        step = "pip install 'olivepress[privacy]', or leave out --presidio"
        raise SetupError("presidio-analyzer is not installed", next_step=step) from error
    # The e-mail recognizer asks for the public suffix list; the one that tldextract ships needs no network.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    return [
        one
        for one in registry.recognizers
        if isinstance(one, PatternRecognizer) and not _NOT_PERSONAL.issuperset(one.supported_entities)
    ]
