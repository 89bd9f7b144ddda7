"""The same subject on the CPU: for a provider that is not installed, or a device that is emulated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from olivepress.measure.subject import Subject
from olivepress.measure.worker.interpreters import try_provider
from olivepress.runtimes.linked_copy import cpu_copy, npu_on_cpu

__all__ = ["emulated", "on_cpu", "provider_is_missing"]


def provider_is_missing(subject: Subject) -> bool:
    """Whether the installed runtime cannot run the execution provider that an exported artifact was built for."""
    if subject.runtime != "onnxruntime-genai":
        return False

    return not try_provider(subject.interpreter, subject.execution_provider).works


def on_cpu(subject: Subject, folder: Path) -> Subject:
    """The subject with its model in ``folder``, a copy that names no provider. JobError as ``cpu_copy``."""
    return replace(subject, model_dir=cpu_copy(subject.model_dir, folder))


def emulated(subject: Subject, folder: Path) -> Subject:
    """An emulated OpenVINO NPU model as a copy in ``folder`` that the emulation opens; any other subject unchanged."""
    if not subject.emulated or subject.runtime != "openvino":
        return subject
    return replace(subject, model_dir=npu_on_cpu(subject.model_dir, folder))
