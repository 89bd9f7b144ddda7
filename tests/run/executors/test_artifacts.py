"""An artifact is put in its place whole, and only when it is the one that its manifest names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from olivepress.core.artifact import hash_file, hash_files, read_manifest, write_manifest
from olivepress.core.errors import ReportError, SetupError
from olivepress.pipeline.plan import load_plan
from olivepress.run.executors import artifacts
from olivepress.run.executors.artifacts import inputs_of, outputs_of, put_artifact, send
from olivepress.run.executors.specs import FileRef, Outcome
from olivepress.run.executors.store import Damaged, Store, open_store
from tests.pipeline.test_run import manifest as manifest_of

KEY = "k" * 8 + "0" * 56
OUTPUT = Path("runs", "tiny-phi", "finetune")


@pytest.fixture
def store(project: Path) -> Store:
    return open_store(str(project / "store"), create=True)


def sent(store: Store, *, key: str = KEY) -> Outcome:
    """What a worker sends that made an artifact of two files."""
    plan, made = load_plan("tiny-phi"), Path("worker", OUTPUT)
    (made / "deep").mkdir(parents=True)
    (made / "file").write_text("weights")
    (made / "deep" / "other").write_text("settings")
    write_manifest(manifest_of(plan, plan.job("finetune"), key, hash_files(made), None), made)
    refs = []
    for path in sorted(made.rglob("*")):
        if path.is_file():
            found = hash_file(path)
            ref = FileRef(path=path.relative_to("worker").as_posix(), sha256=found.sha256, bytes=found.bytes)
            store.put(path, ref)
            refs.append(ref)
    return Outcome(id="j", key="0" * 64, state="done", machine="alpha", seconds=1.0, files=tuple(refs))


def test_it_replaces_the_one_before(store: Store) -> None:
    OUTPUT.mkdir(parents=True)
    (OUTPUT / "left over").write_text("of an earlier try")
    manifest = put_artifact(store, sent(store), OUTPUT, KEY)
    assert read_manifest(OUTPUT, verify=True) == manifest
    files = sorted(path.relative_to(OUTPUT).as_posix() for path in OUTPUT.rglob("*") if path.is_file())
    assert files == ["deep/other", "file", "manifest.json"]


def test_another_artifact_than_its_manifests_is_refused(store: Store) -> None:
    outcome = sent(store)
    with pytest.raises(ReportError, match="alpha sent another artifact"):
        put_artifact(store, outcome, OUTPUT, "f" * 64)
    without = outcome.model_copy(
        update={"files": tuple(ref for ref in outcome.files if not ref.path.endswith("/file"))}
    )
    with pytest.raises(ReportError, match="alpha sent another artifact"):
        put_artifact(store, without, OUTPUT, KEY)
    swapped = next(ref for ref in outcome.files if ref.path.endswith("other"))
    others = tuple(
        swapped.model_copy(update={"path": ref.path}) if ref.path.endswith("/file") else ref for ref in outcome.files
    )
    with pytest.raises(ReportError, match="alpha sent another artifact"):
        put_artifact(store, outcome.model_copy(update={"files": others}), OUTPUT, KEY)
    more = swapped.model_copy(update={"path": f"{OUTPUT.as_posix()}/more"})
    with pytest.raises(ReportError, match="alpha sent another artifact"):
        put_artifact(store, outcome.model_copy(update={"files": (*outcome.files, more)}), OUTPUT, KEY)
    none = outcome.model_copy(update={"files": tuple(ref for ref in outcome.files if "manifest" not in ref.path)})
    with pytest.raises(ReportError, match="not a finished artifact"):
        put_artifact(store, none, OUTPUT, KEY)
    assert not OUTPUT.exists()


def test_what_did_not_arrive_leaves_the_one_before(store: Store) -> None:
    OUTPUT.mkdir(parents=True)
    (OUTPUT / "file").write_text("before")
    outcome = sent(store)
    for path in Path(store.url, "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(Damaged):
        put_artifact(store, outcome, OUTPUT, KEY)
    assert (OUTPUT / "file").read_text() == "before"


def test_inputs_are_the_files_below_and_each_is_sent_once(store: Store) -> None:
    Path("a", "b").mkdir(parents=True)
    Path("a", "one").write_text("same")
    Path("a", "b", "two").write_text("same")
    Path("three").write_text("other")
    refs = inputs_of([Path("a"), Path("three"), Path("missing"), Path("a", "one")])
    assert [ref.path for ref in refs] == ["a/b/two", "a/one", "three"]
    send(store, refs)
    send(store, refs)
    assert store.uploaded == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", [b"12:30.log", b"a\\b", b"\xff"])
def test_a_name_that_not_every_machine_can_have_is_one_line(project: Path, name: bytes) -> None:
    """Not the end of all jobs of the run."""
    Path("a").mkdir()
    Path("a", os.fsdecode(name)).write_text("x")
    with pytest.raises(SetupError, match=r"^a/.*: has a name that not every machine can have; next: rename it"):
        inputs_of([Path("a")])


def test_a_file_that_cannot_be_read_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes while it is hashed: the job fails, and no other."""
    Path("a").write_text("x")
    hashed = artifacts.cached_sha256

    def gone(files: Mapping[str, Path], cache: Path | None) -> dict[str, tuple[str, int]]:
        Path("a").unlink()
        return hashed(files, cache)

    monkeypatch.setattr(artifacts, "cached_sha256", gone)
    with pytest.raises(SetupError, match=r"^a: cannot be read \(No such file or directory\); next: check its rights"):
        inputs_of([Path("a")])


def test_outputs_are_files_of_the_jobs_folder_and_no_links(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    (folder / "made" / "sub").mkdir(parents=True)
    (folder / "made" / "sub" / "one").write_text("one")
    (folder / "log").write_text("log")
    (folder / "made" / "link").symlink_to(tmp_path / "job" / "log")
    refs = outputs_of(folder, ["made", "log", "log", "missing"])
    assert [ref.path for ref in refs] == ["log", "made/sub/one"]
    send(store, refs, root=folder)
    assert store.uploaded == 2 and all(map(store.has, refs))
