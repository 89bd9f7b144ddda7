"""What a person is told of a job that failed, and what is left of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.catalog import choices, targets
from olivepress.core.artifact import Check
from olivepress.core.child.messages import ErrorMessage, ProgressMessage
from olivepress.core.child.process import Usage
from olivepress.core.errors import JobError, RecipeError, whole_message
from olivepress.models.admission import BaseModel
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.run import raise_failed
from olivepress.run import runner
from olivepress.run.cleanup import _correct_genai_config, _limit_to_context
from olivepress.run.failure import OutOfMemory, check_error, keep_failed, other_targets
from olivepress.run.olive import OliveRun, job_environment, olive_error, run_olive
from olivepress.run.olive_log import last_error, warnings_in
from olivepress.run.outcome import JobOutcome
from olivepress.workflow.render import render_all

NOTHING = Usage(seconds=0.0, peak_memory_bytes=0, peak_disk_bytes=0)
GENERATION = """[2026-01-02 03:04:05,678] [ERROR] [engine.py:5:run] Pass run failed
Traceback (most recent call last):
  File "merge.py", line 3, in run
    model.save_pretrained(path)
ValueError: GenerationConfig is invalid:
- `temperature`: `do_sample` is not set to `True`. However, `temperature` is set to 0.9
- `top_p`: likewise
Some of these attributes may be set through the model's `generation_config.json` file.

[2026-01-02 03:04:06,000] [INFO] [engine.py:6:run] done
"""
CHAINED = """Traceback (most recent call last):
  File "a.py", line 1, in load
KeyError: 'rope_type'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "b.py", line 2, in build
    load()
RuntimeError: cannot export the model
"""


def test_the_whole_message_of_an_exception_is_told() -> None:
    message = last_error(GENERATION)
    assert message.startswith("ValueError: GenerationConfig is invalid:")
    assert "`temperature` is set to 0.9" in message and "generation_config.json" in message
    assert "\n" not in message and "engine.py" not in message


def test_an_error_names_what_it_came_from() -> None:
    assert last_error(CHAINED) == "RuntimeError: cannot export the model, from KeyError: 'rope_type'"
    assert last_error(GENERATION + CHAINED).endswith("from KeyError: 'rope_type'")
    assert last_error(CHAINED + "\n" + GENERATION).startswith("ValueError: GenerationConfig")
    assert last_error("no exception at all\n") == ""


def test_a_message_is_bounded() -> None:
    long = whole_message("heading:\n" + "\n".join(f"line {number} " + "x" * 200 for number in range(50)))
    assert long.startswith("heading: | line 0") and len(long) <= 601
    assert whole_message(ValueError("")) == "ValueError" and whole_message("\n---\n a  b\n") == "a b"


def test_our_own_error_brings_its_next_step(tmp_path: Path) -> None:
    log = tmp_path / "finetune.log"
    log.write_text("Traceback (most recent call last):\nolivepress.errors.JobError: what the log says\n")
    ours = ErrorMessage(error="step 1: loss is nan", next_step="lower it")
    error = olive_error(OliveRun(exit_code=1, usage=NOTHING, error=ours), log)
    assert error.message == f"step 1: loss is nan ({log})" and error.next_step == "lower it"


def test_without_our_own_error_the_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "merge.log"
    log.write_text(GENERATION)
    error = olive_error(OliveRun(exit_code=1, usage=NOTHING), log)
    assert error.message.startswith("ValueError: GenerationConfig is invalid:") and error.next_step == f"read {log}"
    log.write_text("no exception\n")
    assert "ended with code 3 and wrote no model" in olive_error(OliveRun(exit_code=3, usage=NOTHING), log).message
    usage = Usage(seconds=1.0, peak_memory_bytes=10**9, peak_disk_bytes=0)
    killed = olive_error(OliveRun(exit_code=-9, usage=usage), log)
    assert "killed from outside, most likely for memory, at 1.0 GB" in killed.message
    assert isinstance(killed, OutOfMemory) and killed.peak_memory_bytes == 10**9
    log.write_text("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes\n")
    refused = olive_error(OliveRun(exit_code=1, usage=usage), log)
    assert isinstance(refused, OutOfMemory) and refused.message.startswith("RuntimeError: ")
    log.write_text("OSError: [Errno 28] No space left on device\n")
    assert olive_error(OliveRun(exit_code=1, usage=NOTHING), log).message.startswith("disk full while the job ran")


def test_what_code_inside_olive_reports_is_passed_on(tmp_path: Path) -> None:
    """Messages of an earlier try are in the file already, and its last line was cut."""
    messages, log, seen = tmp_path / "messages.jsonl", tmp_path / "logs" / "olive.log", list[ProgressMessage]()
    messages.write_text('{"done": 1, "total": 9}\n{"error": "old"}\n{"done": 2, "to')
    code = (
        "from olivepress.core.child.messages import report_progress, reports_errors\n"
        "from olivepress.core.errors import DataError\n"
        "report_progress(3, 9, loss=0.5, notes=['it fell'])\n"
        "@reports_errors\n"
        "def fails(): raise DataError('no row fits', next_step='raise data.max_length')\n"
        "print('in the log')\n"
        "fails()\n"
    )
    environment = job_environment(scratch=tmp_path, messages=messages)
    assert Path(environment["TMPDIR"]) == tmp_path / "tmp" and (tmp_path / "tmp").is_dir()
    notes = list[str]()
    run = run_olive(
        None,
        ["-c", code],
        log=log,
        writes=[tmp_path],
        environment=environment,
        on_progress=seen.append,
        on_note=notes.append,
    )
    assert notes == ["it fell"]
    expected = ProgressMessage(done=3, total=9, loss=0.5, notes=("it fell",))
    assert seen == [expected] and run.exit_code == 1 and run.usage.seconds > 0
    assert run.error == ErrorMessage(error="no row fits", kind="DataError", next_step="raise data.max_length")
    assert log.read_text().startswith("in the log\nTraceback")


def test_what_a_log_says_was_ignored(tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = "[2026-01-02 03:04:05,678] [WARNING] [pass_config.py:5:check] "
    log.write_text(f"{line}Ignoring unknown key speed\n{line}all is well\n{line}Ignoring unknown key speed\n")
    assert warnings_in(log) == ["the log says: Ignoring unknown key speed"]
    assert warnings_in(tmp_path / "none") == []


def test_a_failed_check_names_key_values_and_other_targets(project: Path) -> None:
    plan = load_plan("tiny-phi")
    job = plan.job("export-cpu-int4")
    checks = [
        Check(name="placed", passed=True, value=1.0, limit=1.0),
        Check(name="kl_divergence", passed=False, value=0.5, limit=0.1, detail="nats a token"),
        Check(name="top1_agreement", passed=False, value=0.5, limit=0.8),
    ]
    error = check_error(plan, job, checks, Path("x.log"))
    assert error is not None
    assert "kl_divergence failed: 0.5, limit 0.1 (at most) (nats a token); also failed: top1_agreement" in error.message
    step = str(error.next_step)
    assert "limits.max_kl_divergence in the recipe" in step
    assert "take cpu-int8 (about " in step and "1.4 times the bytes of a token) or cpu-fp32" in step
    assert check_error(plan, job, checks[:1], Path("x.log")) is None


def test_a_check_that_the_target_rules_and_one_that_nothing_rules(project: Path) -> None:
    plan = load_plan("tiny-phi")
    job = plan.job("export-cpu-int4")
    placed = check_error(plan, job, [Check(name="placed", passed=False, value=0.5, limit=1.0)], Path("x.log"))
    assert placed is not None and "min_placed of target cpu-int4" in str(placed.next_step)
    assert "(at least)" in placed.message
    merged = Check(name="finite a.safetensors", passed=False, detail="w")
    merge = check_error(plan, plan.job("merge"), [merged], Path("x.log"))
    assert merge is not None and merge.next_step == "read x.log"


def test_a_target_that_holds_here_is_pointed_to(project: Path) -> None:
    plan = load_plan("tiny-phi")
    Path("runs/tiny-phi/export-cpu-int8").mkdir(parents=True)
    Path("runs/tiny-phi/export-cpu-int8/manifest.json").write_text("{}")
    check = Check(name="kl_divergence", passed=False, value=0.5, limit=0.1)
    error = check_error(plan, plan.job("export-cpu-int4"), [check], Path("x.log"))
    assert error is not None and "times the bytes of a token, verified here)" in str(error.next_step)


def test_other_targets_keep_more_and_fit_the_family(project: Path) -> None:
    plan = load_plan("tiny-phi")
    target = plan.job("export-cpu-int4").target
    assert target is not None
    assert [other.target for other in other_targets(plan, target)] == ["cpu-int8", "cpu-fp32"]
    rounded, last = (targets()[name] for name in ("cpu-int4-rtn", "cpu-fp32"))
    assert [other.target for other in other_targets(plan, rounded)] == list(choices()["cpu"])
    assert other_targets(plan, last) == []


def test_what_failed_is_kept_and_is_no_artifact(tmp_path: Path) -> None:
    output = tmp_path / "export-cpu-int4"
    assert keep_failed(output) is None
    for text in ("first", "second"):
        output.mkdir()
        (output / "model.onnx").write_text(text)
        (output / "manifest.json").write_text("{}")
        files = keep_failed(output)
        assert files is not None and not output.exists()
        assert (files.directory.name, files.size) == ("export-cpu-int4.failed", len(text))
        assert "export-cpu-int4.failed" in files.text
    kept = tmp_path / "export-cpu-int4.failed"
    assert [path.name for path in kept.iterdir()] == ["model.onnx"] and (kept / "model.onnx").read_text() == "second"


class Quiet:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def job_started(self, job: object, number: int, total: int) -> None: ...
    def stage(self, job: object, what: str) -> None: ...
    def job_progress(self, job: object, step: object) -> None: ...
    def job_ended(self, outcome: object) -> None: ...
    def note(self, job: object, text: str) -> None:
        self.notes.append(text)


def test_one_export_that_fails_stops_no_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan("tiny-phi")

    def run_job(plan: object, job: object, *_: object) -> JobOutcome:
        name = getattr(job, "id", "")
        if name == "export-cpu-fp32":
            raise JobError(f"{name}: no")
        return JobOutcome(job=name, state="done")

    monkeypatch.setattr(runner, "_run_job", run_job)
    monkeypatch.setattr(runner, "_check_beforehand", lambda *_: None)
    monkeypatch.setattr(runner, "admit", lambda *_: BaseModel(training="base", whole="base"))
    outcomes = runner.run_plan(plan, render_all(plan), reporter=Quiet())
    states = {outcome.job: outcome.state for outcome in outcomes}
    assert states["export-cpu-fp32"] == "failed" and states["export-cpu-int4"] == "done"
    with pytest.raises(JobError, match="export-cpu-fp32: no"):
        raise_failed([(plan, outcome) for outcome in outcomes])
    with pytest.raises(JobError, match="export-cpu-fp32: no"):
        runner.run_plan(plan, render_all(plan), reporter=Quiet(), only="export-cpu-fp32")


def test_several_failures_are_named_and_keep_the_exit_code(project: Path) -> None:
    plan = load_plan("tiny-phi")
    failed = [JobOutcome(job=name, state="failed", error=RecipeError(f"{name} no", next_step="x")) for name in "ab"]
    with pytest.raises(RecipeError, match=r"2 of 3 jobs failed \(a, b\), first a no"):
        raise_failed([(plan, outcome) for outcome in (*failed, JobOutcome(job="c", state="kept"))])
    raise_failed([(plan, JobOutcome(job="c", state="kept"))])


@pytest.mark.parametrize(
    ("search", "context", "max_length"),
    [({"max_length": 4096}, 2048, 2048), ({"max_length": 512}, 2048, 512), ({}, 1024, 1024), (None, 1024, 1024)],
)
def test_the_length_that_ships_is_within_the_context(
    search: dict[str, int] | None, context: int, max_length: int
) -> None:
    config: dict[str, object] = {"model": {"context_length": context}} | ({} if search is None else {"search": search})
    _limit_to_context(config)
    assert config["search"] == {"max_length": max_length}


@pytest.mark.parametrize(("most", "length"), [(None, 2048), (256, 256), (4096, 2048)])
def test_the_runtime_refuses_what_is_beyond_the_context_that_was_built_right(
    tmp_path: Path, most: int | None, length: int
) -> None:
    path = tmp_path / "genai_config.json"
    model = {"context_length": 2048, "decoder": {"session_options": {}}}
    path.write_text(json.dumps({"model": model, "search": {"max_length": 2048}}))
    _correct_genai_config(path, targets()["cpu-int4"], most)
    config = json.loads(path.read_text())
    assert config["model"]["context_length"] == config["search"]["max_length"] == length
