"""Who answers: the base and the merged model in PyTorch, our targets, and peers made of the same merged weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from peers.make import NotMade, make, peer_environment, runtime_python, with_session
from peers.rounds import Job
from peers.subjects import SUBJECTS as PEERS
from peers.subjects import Subject

from gain.packages import PACKAGES, export_package
from gain.trained import Trained, export, our_targets
from gain.work import content_key
from olivepress.runtimes.session import size_on_disk_bytes

__all__ = ["BASE", "MERGED", "Answering", "answering", "job", "names", "titles"]

BASE, MERGED = "base", "merged"
CONTEXT = 1024  # tokens of one sequence in llama.cpp's cache
PEER_NAMES = ("llama-q4_0", "llama-q4_k_m", "llama-q8_0", "openvino-int4", "olive-int4")


@dataclass(frozen=True, kw_only=True)
class Answering:
    """A subject made of one fine-tune. ``model`` is None where it could not be made, ``note`` says then why not;
    otherwise what ``olivepress run`` said against it, and ``checks`` what it measured."""

    name: str
    title: str
    role: Literal["reference", "ours", "peer"]
    runtime: str
    model: Path | None
    note: str = ""
    size_on_disk_bytes: int | None = None
    checks: Mapping[str, Any] | None = None


def names() -> list[str]:
    """Every subject beside the two references, in the order of the table."""
    return [*our_targets(), *PACKAGES, *PEER_NAMES]


def titles() -> dict[str, str]:
    """Name → what the table calls it."""
    own = {name: f"olivepress {name}" for name in our_targets()}
    packages = {name: f"olivepress {target}, the base; the adapter beside it" for name, target in PACKAGES.items()}
    return own | packages | {one.name: one.title for one in PEERS if one.name in PEER_NAMES}


def reference(name: str, trained: Trained) -> Answering:
    """The base or the merged model, float32 in PyTorch."""
    model = trained.base if name == BASE else trained.merged
    title = "the base model, zero-shot" if name == BASE else "the merged model, PyTorch float32"
    return Answering(name=name, title=title, role="reference", runtime="torch_eager", model=model)


def answering(name: str, trained: Trained, work: Path, environments: Path) -> Answering:
    """Make the subject of this fine-tune, unless it lies there."""
    if name in (BASE, MERGED):
        return reference(name, trained)
    if name in PEER_NAMES:
        return _peer(name, trained, work, environments)
    return _ours(name, trained)


def _ours(name: str, trained: Trained) -> Answering:
    made = export_package(trained, name) if name in PACKAGES else export(trained, name)
    found = Answering(
        name=name, title=titles()[name], role="ours", runtime="onnx_genai", model=made.model, note=made.reason,
        checks=made.checks,
    )  # fmt: skip
    return found if made.model is None else replace(found, size_on_disk_bytes=size_on_disk_bytes(made.model))


def _peer(name: str, trained: Trained, work: Path, environments: Path) -> Answering:
    subject: Subject = next(one for one in PEERS if one.name == name)
    found = Answering(name=name, title=subject.title, role="peer", runtime=subject.runtime, model=None)
    out = work / "peers" / f"{trained.name}-{content_key(trained.merged, work / 'hashes')}"
    try:
        made = make(subject, trained.merged.resolve(), out.resolve(), environments)
    except NotMade as error:
        return replace(found, note=str(error))
    return replace(found, model=made.model, size_on_disk_bytes=made.size_on_disk_bytes)


def job(subject: Answering, work: Path, environments: Path, *, threads: int, **spec: object) -> Job:
    """The child that opens it with so many threads."""
    assert subject.model is not None
    model = subject.model.resolve()
    if subject.runtime == "onnx_genai":
        model = told_threads(model, threads, work)
    settings = {
        "model": str(model), "threads": threads, "context": CONTEXT,
        "dtype": "float32" if subject.runtime == "torch_eager" else None,
    }  # fmt: skip
    python = runtime_python(subject.runtime, environments)
    environment = peer_environment() | {"OMP_NUM_THREADS": str(threads)}
    return Job(python=python, module=f"peers.children.{subject.runtime}", spec=settings | spec, environment=environment)


def told_threads(model: Path, threads: int, work: Path) -> Path:
    """The same files by links, opened with so many threads: unset, the runtime takes half of the processors."""
    folder = work / "opened" / f"{content_key(model, work / 'hashes')}-{threads}"
    return with_session(model, folder, lambda options: options | {"intra_op_num_threads": threads})
