"""Which model types does each build environment export as the model that they are?

    python benchmarks/families.py [MODEL_TYPE …] [--environment build-next] [--again]

For every causal language model that an environment's transformers knows and its onnxruntime-genai builder claims, or a
family's repairs make it take: a small random model, built in float32 and compared with PyTorch over a text that is
longer than every window; the same in 4 bits by Rtn; the same after an adapter was trained for a step and merged. Each
type has a process of its own, with a limit of time and memory. What is finished is a line of
src/olivepress/catalog/evidence/ENVIRONMENT.jsonl, by which plan refuses, and is not tried again: kill it and start it
again. At the end docs/families.md is written from all lines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from evidence.child import Known, Nothing, Tried, TypeSpec
from evidence.table import markdown

from olivepress.catalog import BUILD, families
from olivepress.catalog.evidence import Seen, evidence_file
from olivepress.core.child.run import Call, call_task
from olivepress.core.errors import OlivepressError
from olivepress.core.files import write_text
from olivepress.core.jsonl import append_json_line, read_json_lines
from olivepress.core.privacy import child_environment
from olivepress.core.yaml_document import Record
from olivepress.environments.lookup import interpreter

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "families.md"
ENVIRONMENTS = ("build", "build-next")
SECONDS = 3600  # for one type on a machine in use; its CPU time, about 10 s, has a limit of its own (evidence/child.py)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Which model types each build environment exports as what they are.")
    parser.add_argument("model_types", nargs="*", metavar="MODEL_TYPE", help="only these")
    parser.add_argument("--environment", choices=ENVIRONMENTS, help="only this one")
    parser.add_argument("--again", action="store_true", help="try what has a line already too")
    given = parser.parse_args(arguments)
    for environment in [given.environment] if given.environment else ENVIRONMENTS:
        for line in _missing(environment, given.model_types, again=given.again):
            _store(evidence_file(environment), line)
            _report(environment, line)
    write_text(PAGE, markdown())
    return 0


class Place(Record):
    """The Python that tries the model types, and the environment whose repairs and passes it is given."""

    environment: str
    python: Path


def _missing(environment: str, only: Sequence[str], *, again: bool) -> Iterator[Seen]:
    """A line for every type and variant that has none yet, or is asked for again."""
    _drop_former(environment, read_shapes())
    finished = frozenset((line.model_type, line.variant) for line in _lines(environment) if not again)
    yield from seen_in(Place(environment=environment, python=interpreter(environment)), only, finished)


def read_shapes() -> Mapping[str, Any]:
    shapes: Mapping[str, Any] = yaml.safe_load((HERE / "evidence" / "shapes.yaml").read_text(encoding="utf-8"))
    return shapes


def seen_in(place: Place, only: Sequence[str], finished: frozenset[tuple[str, str]] = frozenset()) -> Iterator[Seen]:
    """What is seen of each type and variant (or of ``only`` those types) that is not among the ``finished``."""
    environment, shapes = place.environment, read_shapes()
    known = Known.model_validate(ask(place, "evidence.child:known_types", Nothing(), SECONDS), strict=False)
    for model_type, architecture in sorted(known.types.items()):
        if only and model_type not in only:
            continue
        repairs = _repairs(environment, model_type)
        claimed = architecture in known.classes or bool(repairs)
        variants: Mapping[str, Any] = shapes["types"].get(model_type, {"": {}}) if claimed else {"": {}}
        for variant, own in variants.items():
            if (model_type, variant) in finished:
                continue
            line = Seen(
                model_type=model_type, variant=variant, architecture=architecture, repairs=repairs,
                versions=known.versions,
            )  # fmt: skip
            if claimed:
                spec = {"model_type": model_type, "common": shapes["common"], "own": own, "repairs": repairs}
                yield _tried(place, line, TypeSpec(environment=environment, folder=tempfile.mkdtemp(), **spec))
            else:
                name = f"onnxruntime-genai {known.versions['onnxruntime-genai']}"
                yield line.model_copy(update={"reason": f"{name} has no builder for {architecture}"})


def _repairs(environment: str, model_type: str) -> tuple[str, ...]:
    """Those of its family, which build-next alone has."""
    for family in families().values():
        if model_type in family.model_types and environment != BUILD:
            return family.repairs
    return ()


def _tried(place: Place, line: Seen, spec: TypeSpec) -> Seen:
    began = time.monotonic()
    try:
        tried = Tried.model_validate(ask(place, "evidence.child:try_type", spec, SECONDS), strict=False)
        line = line.model_copy(update=dict(tried))
    except OlivepressError as error:
        line = line.model_copy(update={"reason": " ".join(error.message.split())[:240]})
    finally:
        shutil.rmtree(spec.folder, ignore_errors=True)
    return line.model_copy(update={"seconds": round(time.monotonic() - began, 1)})


def ask(place: Place, task: str, spec: Nothing | TypeSpec, seconds: float, *packages: str) -> dict[str, Any]:
    """The result of a task, MODULE:FUNCTION, in the place's Python, with further folders of packages."""
    paths = os.pathsep.join([str(HERE), *packages, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    call = Call(
        interpreter=place.python,
        environment=child_environment(offline=True, threads=1, PYTHONPATH=paths),
        timeout_s=seconds,
    )
    message, _ = call_task(task, spec.model_dump(mode="json"), call)
    return message.result


def _lines(environment: str) -> list[Seen]:
    return [Seen.model_validate(line, strict=False) for line in read_json_lines(evidence_file(environment))]


def _store(path: Path, line: Seen) -> None:
    """Append, in place of a line of the same type and variant."""
    before = read_json_lines(path)
    others = [each for each in before if (each["model_type"], each["variant"]) != (line.model_type, line.variant)]
    if len(others) == len(before):
        append_json_line(path, line.model_dump(mode="json", exclude_none=True))
        return
    write_text(
        path, "".join(f"{json.dumps(each)}\n" for each in [*others, line.model_dump(mode="json", exclude_none=True)])
    )


def _drop_former(environment: str, shapes: Mapping[str, Any]) -> None:
    """Lines of variants that the shapes no longer have."""
    kept = [line for line in _lines(environment) if line.variant in shapes["types"].get(line.model_type, {"": {}})]
    if len(kept) < len(_lines(environment)):
        lines = (json.dumps(line.model_dump(mode="json", exclude_none=True)) for line in kept)
        write_text(evidence_file(environment), "".join(f"{line}\n" for line in lines))


def _report(environment: str, line: Seen) -> None:
    steps = {name: getattr(line, name) for name in ("float32", "int4", "lora")}
    shown = [f"{name} {step.state} {step.max_abs:.1e} {step.reason or ''}" for name, step in steps.items() if step]
    print(environment, line.model_type, line.variant, line.reason or "; ".join(shown), f"{line.seconds} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
