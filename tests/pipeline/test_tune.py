"""An exported artifact tuned for real: the tokens stay, the manifest holds, a kill loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.catalog.provider import PROVIDERS
from olivepress.catalog.session_axes import Hardware, Options
from olivepress.core.artifact import read_manifest
from olivepress.core.errors import ReportError, UsageError
from olivepress.measure.bench_session import BenchSession
from olivepress.measure.latency.latency import Workload
from olivepress.measure.trials import trials_of
from olivepress.measure.tuning.record import TUNING, UNTUNED, read_tuning, threads_warning
from olivepress.measure.tuning.search import SearchResult
from olivepress.measure.tuning.trial import TrialSpec
from olivepress.pipeline import tune as session_tuning
from olivepress.runtimes.genai_model import GenaiModel
from olivepress.runtimes.session import default_threads, session_threads
from olivepress.runtimes.session_space import unknown_entries
from tests.runtimes.artifact_factory import make_artifact

Cli = Callable[..., subprocess.CompletedProcess[str]]
CPU = "CPUExecutionProvider"
# The command with two axes instead of eight: a search of half a minute.
TWO_AXES = """
from dataclasses import replace
from olivepress.catalog.provider import CPU, PROVIDERS
two = {name: CPU.axes[name] for name in ("threads", "graph optimization")}
PROVIDERS[CPU.name] = replace(CPU, axes=two)
from olivepress.cli.main import main
main()
"""
COMMAND = [sys.executable, "-c", TWO_AXES]
PROMPTS = [list(range(start, start + 12)) for start in range(5, 205, 10)]
WINNER = Options(session={"intra_op_num_threads": 2, "session.intra_op.allow_spinning": "0"})


@pytest.fixture
def artifact(int4_model: Path, tmp_path: Path) -> Path:
    return make_artifact(int4_model, tmp_path / "export-cpu-int4")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that has found WINNER."""
    found = SearchResult(winner=WINNER, reason="planted", alternatives=(), confirmed=None, not_searched={}, answers=5,
                  answer_tokens=100)  # fmt: skip
    monkeypatch.setattr(session_tuning, "search", lambda plan: found)


def greedy(model_dir: Path) -> list[list[int]]:
    """Greedy tokens of 20 prompts that the tuning did not see, 40 each."""
    model, found = GenaiModel(model_dir), []
    for prompt in PROMPTS:
        generation = model.generation(len(prompt) + 40, shortest=len(prompt) + 40)
        generation.append(prompt)
        while not generation.done():
            generation.step()
        found.append(generation.tokens())
    return found


def session_of(directory: Path) -> dict[str, object]:
    config = json.loads((directory / "genai_config.json").read_text())
    found: dict[str, object] = config["model"]["decoder"]["session_options"]
    return found


def test_tuned_settings_never_change_greedy_tokens(artifact: Path, olivepress: Cli) -> None:
    """The command as typed; what it wrote says what was said before, and is taken out again."""
    before, shipped, manifest = greedy(artifact), (artifact / "genai_config.json").read_bytes(), read_manifest(artifact)
    arguments = ["tune", str(artifact), "--budget", "300", "--json"]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (said,) = json.loads(done.stdout)
    tuning = read_tuning(artifact)
    assert tuning is not None and said["winner"] == (tuning.winner and tuning.winner.model_dump())
    assert greedy(artifact) == before
    assert tuning.untuned_sha256 == manifest.sha256 and tuning.spent_s <= 300 + 1 and tuning.answers == 5
    assert tuning.machine.packages["onnxruntime-genai"] and tuning.shipped_threads == session_threads_of(
        shipped, artifact
    )
    assert {one.axis for one in tuning.alternatives} == {"threads", "graph optimization"} and not tuning.not_searched
    for one in tuning.alternatives:
        assert (one.score.value is None) == (one.score.n == 0) and one.score.n <= 5
        if one.verdict == "better":
            assert one.score.ci_low is not None and one.score.ci_low > 1
    held = read_manifest(artifact, verify=True)
    assert (held.sha256 == manifest.sha256) == (tuning.winner is None)
    if tuning.winner is not None:
        assert tuning.winner.session.items() <= session_of(artifact).items()
        assert olivepress("tune", str(artifact), "--reset").returncode == 0
        assert (artifact / "genai_config.json").read_bytes() == shipped
        assert read_manifest(artifact, verify=True) == manifest


def session_threads_of(config: bytes, artifact: Path) -> int:
    folder = artifact.with_name("shipped")
    folder.mkdir()
    (folder / "genai_config.json").write_bytes(config)
    return session_threads(folder)


def test_every_setting_of_the_table_opens_and_does_what_it_says(int4_model: Path, tmp_path: Path) -> None:
    """Each in a process of its own: same tokens on this model, as many threads as asked for, processors kept to."""
    hardware = Hardware(cpus=(0, 1), physical_cores=2, threads=session_threads(int4_model))
    two = Options(session={"intra_op_num_threads": 2})
    spec = TrialSpec(
        model_dir=int4_model, execution_provider=CPU, workload=Workload(prompt_tokens=16, generated_tokens=8)
    )
    session = BenchSession(folder=tmp_path / "session", identity="")
    config = (int4_model / "genai_config.json").read_text()
    run, _ = trials_of(session, int4_model, config, spec.model_copy(update={"repetitions": 20}))
    shipped = run(Options(), "shipped", 0, 60.0)
    assert len(shipped.tokens) == 5 and len(shipped.tokens[-1]) == 24 and shipped.decode_tps > 0
    seen = {options.text: run(options, name, 0, 60.0)
            for name, axis in PROVIDERS[CPU].axes.items() for options in axis(two, hardware)}  # fmt: skip
    seen[two.text] = run(two, "threads", 0, 60.0)
    assert all(one.tokens == shipped.tokens and not one.unknown for one in seen.values()), seen
    one = run(Options(session={"intra_op_num_threads": 1}), "threads", 0, 60.0)
    threads = {text: found.threads - one.threads for text, found in seen.items()}
    # The default is genai's own: half the processors, not ONNX Runtime's physical cores.
    assert shipped.threads - one.threads == session_threads(int4_model) - 1
    assert threads[two.text] == 1
    assert threads[f"{two.text} session.execution_mode=parallel inter_op_num_threads=2"] == 2
    (pinned,) = [found.pinned for text, found in seen.items() if "affinities" in text]
    assert pinned == (1 if sys.platform == "linux" else None) and seen[two.text].pinned in (0, None)


def test_a_key_that_no_library_holds_is_not_tried(int4_model: Path, tmp_path: Path) -> None:
    hardware = Hardware(cpus=(0, 1), physical_cores=2, threads=2)
    found = [options for axis in PROVIDERS[CPU].axes.values() for options in axis(Options(), hardware)]
    keys = [key for options in found for key in options.session]
    assert "session.execution_mode" in keys and unknown_entries(keys, CPU) == []
    assert unknown_entries(["session.intra_op.allow_spining", "no_dot"], CPU) == ["session.intra_op.allow_spining"]


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 1), (8, 4), (32, 16), (64, 16)])
def test_the_default_number_of_threads(cores: int, threads: int) -> None:
    assert default_threads(cores) == threads


def test_what_won_is_written_with_its_record_and_taken_out_again(artifact: Path, planted: None) -> None:
    shipped, manifest, before = (artifact / "genai_config.json").read_bytes(), read_manifest(artifact), greedy(artifact)
    tuning = session_tuning.tune(artifact, budget_s=10.0)
    held = read_manifest(artifact, verify=True)
    assert session_of(artifact)["intra_op_num_threads"] == 2 and greedy(artifact) == before
    assert set(held.files) - set(manifest.files) == {TUNING, UNTUNED} and held.sha256 != manifest.sha256
    assert {name for name in manifest.files if held.files[name] != manifest.files[name]} == {"genai_config.json"}
    assert tuning == read_tuning(artifact) and tuning.untuned_sha256 == manifest.sha256
    assert (artifact / UNTUNED).read_bytes() == shipped
    again = session_tuning.tune(artifact, budget_s=10.0)  # starts from what was shipped, not from what was written
    assert again.untuned_sha256 == manifest.sha256 and again.shipped == tuning.shipped
    assert "intra_op_num_threads" not in again.shipped and read_manifest(artifact, verify=True).sha256
    assert session_tuning.reset(artifact) == manifest and read_manifest(artifact, verify=True) == manifest
    assert (artifact / "genai_config.json").read_bytes() == shipped
    assert not (artifact / TUNING).exists() and not (artifact / UNTUNED).exists()
    with pytest.raises(UsageError, match="nothing was tuned"):
        session_tuning.reset(artifact)


@pytest.mark.parametrize("step", range(4))
def test_a_kill_while_it_is_written_is_mended(
    artifact: Path, planted: None, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Dead before the file number ``step`` of four: the next call finds the shipped settings, and tunes."""
    manifest, before, real = read_manifest(artifact), greedy(artifact), session_tuning.write_text
    names = [UNTUNED, TUNING, "genai_config.json", "manifest.json"]

    def write_text(path: Path, text: str) -> None:
        if path.parent == artifact and path.name == names[step]:
            raise KeyboardInterrupt
        real(path, text)

    def write_manifest(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session_tuning, "write_text", write_text)
        if step == 3:
            patch.setattr(session_tuning, "write_manifest", write_manifest)
        with pytest.raises(KeyboardInterrupt):
            session_tuning.tune(artifact, budget_s=10.0)
    tuning = session_tuning.tune(artifact, budget_s=10.0)
    assert tuning.untuned_sha256 == manifest.sha256 and read_manifest(artifact, verify=True).sha256 != manifest.sha256
    assert greedy(artifact) == before and session_tuning.reset(artifact) == manifest


def test_what_somebody_edited_is_not_overwritten(artifact: Path, planted: None) -> None:
    session_tuning.tune(artifact, budget_s=10.0)
    config = artifact / "genai_config.json"
    config.write_text(config.read_text().replace('"intra_op_num_threads": 2', '"intra_op_num_threads": 1'))
    edited = config.read_text()
    for call in (lambda: session_tuning.tune(artifact, budget_s=10.0), lambda: session_tuning.reset(artifact)):
        with pytest.raises(ReportError, match=r"genai_config\.json is not the file its manifest names"):
            call()
    assert config.read_text() == edited


def test_settings_of_a_larger_machine_are_told(artifact: Path, planted: None) -> None:
    tuning = session_tuning.tune(artifact, budget_s=10.0)
    told = threads_warning(artifact, 2, 1)
    assert told is not None and told.startswith(f"tuned for {tuning.machine.id} with 2 threads, this machine has 1")
    assert "\n" not in told and threads_warning(artifact, 2, 2) is None
    session_tuning.reset(artifact)
    assert threads_warning(artifact, 64, 1) is None  # not tuned: somebody's own choice
    (artifact / TUNING).write_text("{}")
    assert "not a valid record" in str(threads_warning(artifact, 2, 1))


def test_a_bench_on_a_smaller_machine_warns_in_one_line(
    artifact: Path, planted: None, olivepress: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = Options(session={"intra_op_num_threads": 64})
    found = SearchResult(winner=many, reason="planted", alternatives=(), confirmed=None, not_searched={}, answers=5,
                  answer_tokens=100)  # fmt: skip
    monkeypatch.setattr(session_tuning, "search", lambda plan: found)
    session_tuning.tune(artifact, budget_s=10.0)
    options = ["--rounds", "1", "--repetitions", "1", "--workload", "8x4", "--out", str(artifact.with_name("r.json"))]
    done = olivepress("bench", str(artifact), *options, "--quiet")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "tuned for" in line]
    assert "64 threads" in line and "next: olivepress tune" in line


def test_killed_in_the_middle_it_goes_on(artifact: Path) -> None:
    arguments = ["tune", str(artifact), "--budget", "300", "--quiet"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pattern = ".bench-session-*/export-cpu-int4/trial-*.json"
    end = time.monotonic() + 120
    while len(list(artifact.parent.glob(pattern))) < 4:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in artifact.parent.glob(pattern)}
    assert len(kept) >= 4 and read_manifest(artifact, verify=True)
    again = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(artifact.parent.glob(pattern))) <= len(kept):
        assert time.monotonic() < end and again.poll() is None
        time.sleep(0.02)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # nothing that was finished ran again
    assert again.wait(240) == 0
    tuning = read_tuning(artifact)
    assert tuning is not None and tuning.resumed and read_manifest(artifact, verify=True)
    assert not list(artifact.parent.glob(".bench-session-*"))


def test_wrong_inputs_are_one_line(artifact: Path, tmp_path: Path, olivepress: Cli) -> None:
    merged = make_artifact(artifact, tmp_path / "merge", kind="merge")
    elsewhere = make_artifact(artifact, tmp_path / "export-qnn", execution_provider="QNNExecutionProvider")
    cuda = make_artifact(artifact, tmp_path / "export-cuda", execution_provider="CUDAExecutionProvider")
    for arguments, code, says in (
        ((str(tmp_path / "nowhere"),), 2, "unknown model"),
        ((str(cuda),), 7, "CUDAExecutionProvider runs no model here"),
        (("bundle.zip",), 2, "a bundle is sealed"),
        ((str(merged),), 2, "a merge, not an export"),
        ((str(elsewhere),), 2, "its device is emulated here"),
        ((str(artifact), "--job", "export-cpu-int4"), 2, "--job, --data and --trust-targets are for a recipe"),
        ((str(artifact), "--budget", "0"), 2, "--budget"),
        ((str(artifact), "--reset"), 2, "nothing was tuned"),
    ):
        done = olivepress("tune", *arguments, cwd=tmp_path)
        assert done.returncode == code and says in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr and done.stderr.strip().splitlines()[-1].startswith("olivepress: ")
    sealed = olivepress("bench", "bundle.zip", "--tune", cwd=tmp_path)
    assert sealed.returncode == 2 and "a bundle is sealed; next: unzip it" in sealed.stderr
    assert read_manifest(artifact, verify=True) and not (artifact / TUNING).exists()
    (artifact / "model.onnx.data").write_bytes(b"damaged")
    damaged = olivepress("tune", str(artifact), cwd=tmp_path)
    assert damaged.returncode == 8 and "model.onnx.data is not the file its manifest names" in damaged.stderr
