"""The profile of a real export: every token's time is accounted for, and the weights are the graph's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.errors import JobError
from olivepress.measure.latency.kernel_profile import KernelProfile, Run, _runs, phase_of
from olivepress.runtimes.weights import decode_read_bytes
from tests.runtimes.artifact_factory import make_artifact

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_the_kernels_of_a_token(int4_model: Path, tmp_path: Path, olivepress: Cli) -> None:
    artifact = make_artifact(int4_model, tmp_path / "export-cpu-int4")
    done = olivepress("profile", str(artifact), "--workload", "64x20", "--json")
    assert done.returncode == 0, done.stderr
    found = KernelProfile.model_validate_json(done.stdout)
    prefill, decode = found.phases
    assert (prefill.phase, prefill.n_runs, prefill.n_tokens) == ("prefill", 6, 6 * 64)
    assert (decode.phase, decode.n_runs, decode.n_tokens) == ("decode", 6 * 19, 6 * 19)
    for phase in found.phases:
        total = phase.us_per_token.value
        inside = sum(kernel.us_per_token.value or 0 for kernel in phase.kernels)
        assert total and inside + phase.outside_us_per_token == pytest.approx(total)
        assert (
            sum(kernel.share for kernel in phase.kernels) == pytest.approx(inside / total) and 0.2 < inside / total < 1
        )
        assert phase.us_per_token.ci_low and phase.us_per_token.ci_low <= total <= (phase.us_per_token.ci_high or 0)
        by_type = {kernel.op_type: kernel for kernel in phase.kernels}
        matmul, attention = by_type["MatMulNBits"], by_type["GroupQueryAttention"]
        # qkv, o, gate, up and down of two layers, and the head.
        assert (matmul.nodes, matmul.calls_per_run, attention.nodes) == (11, 11, 2)
        assert matmul.provider == "CPUExecutionProvider" and matmul.us_per_call > 0
    # Every weight of the graph is some kernel's: one row of the tables, all of the rest.
    read = decode_read_bytes(int4_model)
    assert sum(kernel.weight_bytes or 0 for kernel in decode.kernels) == pytest.approx(read, rel=0.02)
    assert found.slowdown_decode.n == 3 and (found.slowdown_decode.value or 0) > 0.5 and found.step_ms.value
    shown = olivepress("profile", str(artifact), "--workload", "16x6", "--quiet")
    assert (
        shown.returncode == 0 and "MatMulNBits" in shown.stdout and "the profiler itself slows the run" in shown.stdout
    )
    assert not list(artifact.glob("kernels*")) and not list(tmp_path.glob("kernels*"))


def event(name: str, ts: int, dur: int, **args: str) -> dict[str, object]:
    return {"name": name, "ts": ts, "dur": dur, "args": args}


def test_runs_are_told_apart_by_counting() -> None:
    events = []
    for number in range(6):  # a warm-up of three tokens and one repetition of three
        at = 100 * number
        events += [
            event("model_run", at, 50),
            event("a_kernel_time", at + 1, 10 + number, op_name="MatMul", provider="CPU"),
            event("b_kernel_time", at + 20, 5, op_name="If", provider="CPU"),
            event("c_kernel_time", at + 22, 2, op_name="Add", provider="CPU"),  # in the If's branch
        ]
    runs = list(_runs(events, 7, 3, 1))
    assert [(run.phase, run.tokens, run.us) for run in runs] == [
        ("prefill", 7, 50),
        ("decode", 1, 50),
        ("decode", 1, 50),
    ]
    assert [run.kernels["MatMul|CPU"] for run in runs] == [(13.0, 1), (14.0, 1), (15.0, 1)]
    assert all(set(run.kernels) == {"MatMul|CPU", "If|CPU"} for run in runs)
    with pytest.raises(JobError, match="6 runs of the graph, expected 9"):
        list(_runs(events, 7, 3, 2))


def test_the_sums_are_those_written_out(tmp_path: Path) -> None:
    runs = [Run(phase="decode", tokens=1, us=us, kernels={"MatMul|CPU": (us - 2, 3)}) for us in (10.0, 12.0, 14.0)]
    found = phase_of("decode", runs, {"MatMul|CPU": {"/a": 0, "/b": 8}}, tmp_path)
    (kernel,) = found.kernels
    assert (found.us_per_token.value, kernel.us_per_token.value, found.outside_us_per_token) == (12.0, 10.0, 2.0)
    assert (kernel.share, kernel.us_per_call, kernel.calls_per_run) == (30 / 36, 30 / 9, 3.0)
    assert kernel.weight_bytes is None  # a node with weights that no graph tells of


def test_wrong_inputs_are_one_line(int4_model: Path, tmp_path: Path, olivepress: Cli) -> None:
    artifact = make_artifact(int4_model, tmp_path / "export-cpu-int4")
    for arguments, code, says in (
        ((str(tmp_path),), 8, "no manifest.json"),
        ((str(artifact), "--adapter", "mine"), 9, "not a package, so it has no adapter"),
        ((str(artifact), "--workload", "16"), 2, "expected PxG"),
        ((str(artifact), "--workload", "datasetx16"), 2, "a profile has no dataset"),
        ((str(artifact), "--workload", "4096x16"), 6, "the context has 256"),
    ):
        done = olivepress("profile", *arguments, cwd=tmp_path)
        assert done.returncode == code and says in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr and done.stderr.splitlines()[-1].startswith("olivepress: ")
    config = artifact / "genai_config.json"
    fields = json.loads(config.read_text())
    fields["model"]["decoder"]["pipeline"] = []
    piped = make_artifact(int4_model, tmp_path / "piped")
    (piped / "genai_config.json").write_text(json.dumps(fields))
    done = olivepress("profile", str(piped), cwd=tmp_path)
    assert done.returncode == 8 and "is not the file its manifest names" in done.stderr
