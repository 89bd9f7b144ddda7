"""Does MobiusBuilder, Olive's second builder, build what onnxruntime-genai's own does not?

    pip install --target FOLDER --no-deps mobius-onnx onnx-shape-inference
    python benchmarks/second_builder.py --packages FOLDER

The small random models of ``make families`` in build-next, of types that are refused there or in today's set, and two
that are right, as a yardstick. Writes benchmarks/second_builder.jsonl, from which ``make families`` writes the table of
docs/families.md. Olive 0.13 names the package mobius-ai; on PyPI it is mobius-onnx.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from evidence.child import Nothing, Tried, TypeSpec
from evidence.table import SECOND_BUILDER, markdown, recorded
from families import PAGE, SECONDS, Place, ask, read_shapes

from olivepress.catalog.evidence import Seen
from olivepress.core.errors import OlivepressError
from olivepress.core.files import write_text
from olivepress.environments.lookup import interpreter

ENVIRONMENT = "build-next"
YARDSTICKS = ("llama", "qwen3_5_text")
REFUSED = (
    "olmo", "olmo2", "phi", "exaone4", "gpt_oss", "gemma4_unified_text", "lfm2_moe", "granitemoehybrid", "qwen3_moe",
    "cohere2", "glm4", "starcoder2", "falcon_h1",
)  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="What MobiusBuilder builds of the types that are refused.")
    parser.add_argument("model_types", nargs="*", metavar="MODEL_TYPE", help="only these")
    parser.add_argument("--packages", type=Path, required=True, metavar="FOLDER", help="with mobius-onnx installed")
    given = parser.parse_args(arguments)
    place = Place(environment=ENVIRONMENT, python=interpreter(ENVIRONMENT))
    packages = str(given.packages.resolve())
    versions = ask(place, "evidence.second_builder:versions", Nothing(), SECONDS, packages)["versions"]
    lines = {(line.model_type, line.variant): line for line in recorded()}
    for model_type in given.model_types or (*YARDSTICKS, *REFUSED):
        for variant, own in read_shapes()["types"].get(model_type, {"": {}}).items():
            seen = Seen(model_type=model_type, variant=variant, architecture="", versions=versions)
            line = lines[model_type, variant] = _tried(place, seen, own, packages)
            print(line.model_dump_json(exclude={"versions"}, exclude_none=True), flush=True)
            write_text(
                SECOND_BUILDER, "".join(f"{each.model_dump_json(exclude_none=True)}\n" for each in lines.values())
            )
    write_text(PAGE, markdown())
    return 0


def _tried(place: Place, seen: Seen, own: dict[str, object], packages: str) -> Seen:
    began = time.monotonic()
    folder = tempfile.mkdtemp()
    spec = TypeSpec(
        environment=ENVIRONMENT, model_type=seen.model_type, common=read_shapes()["common"], own=own, folder=folder
    )
    try:
        tried = Tried.model_validate(
            ask(place, "evidence.second_builder:try_mobius", spec, SECONDS, packages), strict=False
        )
        seen = seen.model_copy(update=dict(tried))
    except OlivepressError as error:
        seen = seen.model_copy(update={"reason": " ".join(error.message.split())[:240]})
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return seen.model_copy(update={"seconds": round(time.monotonic() - began, 1)})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
