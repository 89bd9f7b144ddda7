"""Files by content: uploaded once, verified when they arrive, removed when nobody refers to them."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pydantic import ValidationError

from olivepress.core.artifact import hash_file
from olivepress.core.errors import SetupError, UsageError
from olivepress.core.layout import CLUSTER_SECRET
from olivepress.run.executors.references import Run
from olivepress.run.executors.results import keep_result, kept_result
from olivepress.run.executors.specs import FileRef, JobSpec, Outcome
from olivepress.run.executors.store import Damaged, Store, check_url, open_store
from tests.run.executors.azure_here import azure_here


def ref_of(path: Path) -> FileRef:
    found = hash_file(path)
    return FileRef(path=path.name, sha256=found.sha256, bytes=found.bytes)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, on this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new one, reached as a person's own would be: by the variables of the storage."""
    import s3fs

    own = {"AWS_ENDPOINT_URL_S3": s3, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    for name, value in {**own, "AWS_DEFAULT_REGION": "us-east-1", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One of Azure Blob Storage, of a stand-in on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with azure_here("container") as connection:
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
        fsspec.filesystem("abfs").clear_instance_cache()
        yield "abfs://container"


_OBJECTS = [pytest.param(name, marks=pytest.mark.buckets) for name in ("s3", "abfs")]


@pytest.fixture(params=["folder", "memory", *_OBJECTS])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A folder; fsspec's own storage in memory, which has no folders and no renaming, as object stores have; a real
    client of S3 against a server of this machine, and one of Azure against a stand-in."""
    monkeypatch.chdir(tmp_path)
    if request.param in ("s3", "abfs"):
        place = request.getfixturevalue("bucket" if request.param == "s3" else "container")
        return open_store(f"{place}/a/folder", create=True)
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}"
    return open_store(url, create=True)


def test_an_object_is_uploaded_once_and_comes_back(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"weights" * 1000)
    ref = ref_of(file)
    assert not store.has(ref)
    store.put(file, ref)
    store.put(file, ref)
    assert store.uploaded == 1 and store.has(ref)
    store.get(ref, tmp_path / "in" / "copy")
    assert (tmp_path / "in" / "copy").read_bytes() == file.read_bytes()


def test_what_does_not_arrive_as_it_was_sent_is_refused(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"weights")
    ref = ref_of(file)
    other = tmp_path / "other"
    other.write_bytes(b"WEIGHTS")  # as long, so that only the content tells
    store.put(other, ref)
    with pytest.raises(Damaged, match="is damaged in the store"):
        store.get(ref, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    store.put(file, ref, again=True)
    store.get(ref, tmp_path / "copy")
    with pytest.raises(Damaged, match="is not in the store"):
        store.get(ref.model_copy(update={"sha256": "0" * 64}), tmp_path / "none")


def test_what_is_larger_than_it_must_be_is_not_downloaded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who can write to the store fills no disk of the other machines."""
    (tmp_path / "file").write_bytes(b"weights")
    (tmp_path / "large").write_bytes(b"weights" * 1000)
    ref = ref_of(tmp_path / "file")
    store.put(tmp_path / "large", ref)
    downloaded = list[str]()
    monkeypatch.setattr(store._storage, "get_file", lambda place, *_: downloaded.append(place))
    with pytest.raises(Damaged, match="is damaged in the store"):
        store.get(ref, tmp_path / "copy")
    assert downloaded == []


def test_a_truncated_upload_is_uploaded_again(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"weights")
    short = tmp_path / "short"
    short.write_bytes(b"wei")
    store.put(short, ref_of(file), again=True)
    assert not store.has(ref_of(file))
    store.put(file, ref_of(file))
    assert store.has(ref_of(file))


def test_only_what_nobody_refers_to_is_removed(store: Store, tmp_path: Path) -> None:
    refs = {}
    for name in ("needed", "result", "other project", "nobody"):
        file = tmp_path / name
        file.write_text(name)
        refs[name] = ref_of(file)
        store.put(file, refs[name])
    store.refer("a", [refs["needed"].sha256])
    store.refer("b", [refs["other project"].sha256])
    result = Outcome(id="j", key="0" * 64, state="done", machine="m", seconds=0.0, files=(refs["result"],))
    store.write(f"results/{result.key}.json", result.model_dump_json())
    assert store.collect() == 0  # an upload of the last day may belong to a run that has not referred to it yet
    assert store.collect(grace_s=0.0) == 1
    assert [name for name, ref in refs.items() if not store.has(ref)] == ["nobody"]
    store.remove("results/" + "0" * 64 + ".json")
    store.refer("a", [])
    assert store.collect(grace_s=0.0) == 2
    assert [name for name, ref in refs.items() if store.has(ref)] == ["other project"]


class Unreachable(MemoryFileSystem):  # type: ignore[misc]
    """A storage whose network is gone; its client has errors of its own."""

    protocol = "unreachable"
    cachable = False

    def put_file(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("could not connect\nto the endpoint")

    def info(self, path: str, **options: Any) -> Any:
        if path.endswith("ff"):
            raise RuntimeError("could not connect")
        return super().info(path, **options)


def test_a_storage_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    fsspec.register_implementation("unreachable", Unreachable, clobber=True)
    store = open_store(f"unreachable://{tmp_path.name}", create=True)
    (tmp_path / "file").write_text("x")
    reason = r"unreachable://.*: cannot be used \(RuntimeError: could not connect\); next: check the storage"
    with pytest.raises(SetupError, match=reason):
        store.put(tmp_path / "file", ref_of(tmp_path / "file"))
    with pytest.raises(SetupError, match=reason):
        store.has(ref_of(tmp_path / "file").model_copy(update={"sha256": "f" * 64}))
    with pytest.raises(SetupError, match="pip install 'gcsfs', on every machine"):
        open_store("gs://bucket/folder")


class Remembering(MemoryFileSystem):  # type: ignore[misc]
    """As the file systems of buckets: a folder that was listed is not listed again, and what it lacks is not there."""

    protocol = "remembering"
    cachable = False  # one for each process, as on several machines

    def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
        folder = self._strip_protocol(path)
        if folder not in self.dircache:
            self.dircache[folder] = super().ls(folder, detail=True, **options)
        listed = self.dircache[folder]
        return listed if detail else [entry["name"] for entry in listed]

    def info(self, path: str, **options: Any) -> Any:
        found = self._ls_from_cache(self._strip_protocol(path))
        return found[0] if found else super().info(path, **options)

    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()


@pytest.mark.parametrize("storage", ["remembering", *_OBJECTS])
def test_what_other_machines_write_is_seen(tmp_path: Path, storage: str, request: pytest.FixtureRequest) -> None:
    fsspec.register_implementation("remembering", Remembering, clobber=True)
    url = f"remembering://{tmp_path.name}"
    if storage != "remembering":
        url = request.getfixturevalue("bucket" if storage == "s3" else "container")
    here = open_store(url, create=True)
    fsspec.filesystem(storage).clear_instance_cache()
    there = open_store(url)
    refs = {}
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
        refs[name] = ref_of(tmp_path / name)
        here.put(tmp_path / name, refs[name])
    here.refer("run", [refs["first"].sha256])
    assert here.names("references") == ["run.json"] and there.has(refs["second"])
    there.refer("other", [refs["second"].sha256])
    assert here.collect(grace_s=0.0) == 0  # the other run's reference counts
    there.remove("references/other.json")
    assert here.collect(grace_s=0.0) == 1
    assert not there.has(refs["second"]) and there.has(refs["first"])
    there.put(tmp_path / "second", refs["second"])
    assert here.has(refs["second"])


def test_a_run_leaves_what_the_next_one_needs(store: Store, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    refs = {}
    for name in ("base", "old", "new"):
        (tmp_path / name).write_text(name)
        refs[name] = ref_of(tmp_path / name)
        store.put(tmp_path / name, refs[name])
    first = Run.begin(store, ["phi"])
    first.refer([refs["base"]])
    first.took("0" * 64, [refs["old"]])
    first.end()
    second = Run.begin(store, ["phi"])
    second.refer([refs["base"], refs["new"]])
    assert len(store.names("references")) == 2
    second.end()
    assert [json.loads(store.read(f"references/{name}") or "") for name in store.names("references")] == [
        sorted([refs["base"].sha256, refs["new"].sha256])
    ]
    store.collect(grace_s=0.0)
    assert [name for name, ref in refs.items() if store.has(ref)] == ["base", "new"]


def test_two_recipes_are_not_the_one_with_both_names(store: Store) -> None:
    """The end of one of these runs would take what the other one needs."""
    running = Run.begin(store, ["phi-bench"])
    running.refer([FileRef(path="base", sha256="a" * 64, bytes=1)])
    Run.begin(store, ["phi", "bench"]).end()
    assert len(store.names("references")) == 1


def test_the_secret_of_a_project_stays_the_same_and_is_for_its_owner(store: Store, tmp_path: Path) -> None:
    first, second = Run.begin(store, ["phi"]), Run.begin(store, ["llama"])
    assert first.seal == second.seal and len(first.seal) == 64 and first.name != second.name
    if os.name != "nt":
        assert CLUSTER_SECRET.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="is no store of olivepress"):
        open_store(str(tmp_path / "elsewhere"))
    first = open_store(str(tmp_path / "store"), create=True)
    assert open_store(str(tmp_path / "store")).id == first.id == open_store(str(tmp_path / "store"), create=True).id


def test_what_a_killed_process_left_keeps_no_object(tmp_path: Path) -> None:
    """Its reference under the name that it had before it was whole."""
    store = open_store(str(tmp_path / "store"), create=True)
    file = tmp_path / "a"
    file.write_text("a")
    ref = ref_of(file)
    store.put(file, ref)
    store.refer("run", [ref.sha256])
    (left,) = (tmp_path / "store" / "references").iterdir()
    left.rename(left.with_name(f"{left.name}.0123"))
    assert store.collect() == 0 and store.names("references") == ["run.json.0123"]
    assert store.collect(grace_s=0.0) == 1 and store.names("references") == []


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("s3://key:secret@bucket/x", "contains a password"),
        ("simplecache::s3://key:secret@bucket/x", "contains a password"),
        ("s3://key:se/cret/secret@bucket/x", "contains a password"),
        ("simplecache::s3://key:se/cret/secret@bucket/x", "contains a password"),
        ("abfs://box/x?sv=2024&sig=abc", "or parameters"),
        ("nonsense://x", "nonsense"),
    ],
)
def test_urls_that_are_refused(url: str, text: str) -> None:
    with pytest.raises(UsageError, match=text) as error:
        open_store(url)
    assert "secret" not in str(error.value)


def test_an_account_before_the_host_is_no_password() -> None:
    for url in ("abfs://box@account.dfs.core.windows.net/x", "zip://a.zip::abfs://box@account/x", "s3://bucket/a:b"):
        check_url(url)


def test_a_result_that_somebody_put_into_the_store_does_not_count(store: Store) -> None:
    spec = JobSpec(
        version="1", id="job", key="a" * 64, task="echo", store=store.url, store_id=store.id, topic="t", seal="secret"
    )
    outcome = Outcome(id="job", key=spec.key, state="done", machine="m", seconds=1.0)
    assert kept_result(store, spec) is None
    keep_result(store, spec.model_copy(update={"seal": "guessed"}), outcome)
    assert kept_result(store, spec) is None
    keep_result(store, spec, outcome)
    kept = kept_result(store, spec)
    assert kept is not None and kept.reused
    record = store.read(f"results/{spec.key}.json") or ""
    assert "secret" not in record
    store.write(f"results/{spec.key}.json", record.replace('\\"machine\\":\\"m\\"', '\\"machine\\":\\"n\\"'))
    assert store.read(f"results/{spec.key}.json") != record and kept_result(store, spec) is None
    for junk in ("no JSON", "[" * 100_000):
        store.write(f"results/{spec.key}.json", junk)
        assert kept_result(store, spec) is None


@pytest.mark.parametrize("junk", [b"[" * 100_000, b"\xff\xfe", b"[]"], ids=["nested", "no text", "no record"])
def test_a_record_that_cannot_be_read_costs_no_run_its_end(store: Store, tmp_path: Path, junk: bytes) -> None:
    """It may refer to any object, so all of them stay."""
    (tmp_path / "file").write_text("x")
    store.put(tmp_path / "file", ref_of(tmp_path / "file"))
    with store._files() as files:
        files.pipe_file(f"{store._root}/results/{'0' * 64}.json", junk)
    Run.begin(store, ["phi"]).end()
    assert store.collect(grace_s=0.0) == 0 and store.has(ref_of(tmp_path / "file"))


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "a/../../b", "", "C:/x", "a\\b", "a\0b"])
def test_a_path_that_leads_out_is_no_file_of_a_job(path: str) -> None:
    with pytest.raises(ValidationError, match="below the project"):
        FileRef(path=path, sha256="0" * 64, bytes=1)
