"""What goes into a bundle, what of a foreign one is refused, and whose reports are taken in."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from olivepress import catalog
from olivepress.bundle import bundle_artifact, import_report, is_device_report, open_bundle
from olivepress.bundle.archive import Source, hash_of, write_archive
from olivepress.bundle.contents import Bundle, CarriedReport
from olivepress.bundle.device import pack_report
from olivepress.bundle.install import Environment, environment_of, install_page, wheel
from olivepress.bundle.pack import Packed
from olivepress.core.artifact import read_manifest
from olivepress.core.errors import DataError, ReportError, UsageError
from olivepress.data.store.reader import dataset_labels
from olivepress.environments.lookup import environment
from olivepress.pipeline.artifacts import prepared_dataset
from olivepress.recipe.schema import Benchmark
from olivepress.report.device_report import DeviceReport, read_report, write_report
from olivepress.report.examples import read_examples, write_examples
from olivepress.report.task_metrics import Example
from tests.bundle.conftest import DECODER, EXPORT, GRAPH, write_export
from tests.report.factory import make_report


def packed(**options: Any) -> Packed:
    return bundle_artifact(EXPORT, dataset_dir=prepared_dataset(EXPORT), **options)


def index_of(path: Path) -> Bundle:
    with zipfile.ZipFile(path) as archive:
        return Bundle.model_validate_json(archive.read("bundle.json"))


def repacked(path: Path, **files: bytes) -> Path:
    """The bundle at ``path`` with other or more files, its index true to them: only its sense is wrong."""
    contents = index_of(path)
    with zipfile.ZipFile(path) as archive:
        sources: dict[str, Source] = {name: archive.read(name) for name in contents.files}
    sources |= {name.replace("__", "/"): data for name, data in files.items()}
    contents = contents.model_copy(update={"files": {name: hash_of(data) for name, data in sources.items()}})
    write_archive(other := path.with_name("other.zip"), contents, sources, lambda *_: None)
    return other


def test_what_is_in_it(home: Path) -> None:
    Path("text.txt").write_text("some pages")
    benchmark = Benchmark(text="text.txt", rounds=4, price_per_hour=2.0, currency="EUR")
    made = packed(benchmark=benchmark, outcomes={"base": {"a": True}})
    assert made.path == Path("bundles", "tiny-export-cpu-int4.zip")
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    contents = index_of(made.path)
    manifest = read_manifest(EXPORT)
    assert contents.artifact_sha256 == manifest.sha256 and contents.outcomes == {"base": {"a": True}}
    assert contents.benchmark == Benchmark(rounds=4)  # neither a path of this machine nor its price
    held = {"manifest.json", *manifest.files}
    wheel_name = f"install/{wheel()[0]}"
    assert contents.files.keys() == {
        "INSTALL.md", "text.txt", "dataset/dataset.json", "dataset/test.jsonl", wheel_name,
        *(f"install/lock-{platform}.txt" for platform in environment("cpu").platforms),
        *(f"artifact/{name}" for name in held),
    }  # fmt: skip
    assert str(home).encode() not in made.path.read_bytes()
    (line,) = Path("runs", "tiny", "bundles.jsonl").read_text().splitlines()
    assert json.loads(line)["bundle_sha256"] == made.sha256
    assert packed(benchmark=benchmark, outcomes={"base": {"a": True}}).sha256 == made.sha256
    assert len(Path("runs", "tiny", "bundles.jsonl").read_text().splitlines()) == 2


def test_a_stray_file_stays_at_home(home: Path) -> None:
    (EXPORT / "notes.txt").write_text("not of the artifact")
    assert "artifact/notes.txt" not in index_of(packed().path).files


def test_the_labels_go_along_when_the_training_rows_do_not(home: Path) -> None:
    dataset = prepared_dataset(EXPORT)
    assert dataset is not None
    opened = open_bundle(packed().path)
    assert not (opened.directory / "dataset" / "train.jsonl").exists()
    assert dataset_labels(opened.directory / "dataset") == dataset_labels(dataset) != ()


def test_only_the_ids(home: Path) -> None:
    made = packed(ids_only=True, benchmark=Benchmark(text="text.txt"))
    assert made.path.name == "tiny-export-cpu-int4-ids-only.zip"
    names = index_of(made.path).files
    assert "dataset/ids.json" in names and not {"dataset/test.jsonl", "dataset/dataset.json", "text.txt"} & names.keys()


def test_another_dataset_is_not_packed(home: Path) -> None:
    write_export(EXPORT, {}, "phrase-tone", "f" * 64)
    with pytest.raises(DataError, match="phrase-tone-ffffffffffff: not here"):
        packed()
    (dataset,) = Path("datasets").iterdir()
    with pytest.raises(DataError, match="not the dataset of the artifact"):
        bundle_artifact(EXPORT, dataset_dir=dataset)


def test_it_opens_once_and_again(home: Path) -> None:
    made = packed()
    opened = open_bundle(made.path)
    assert opened.directory == Path(".bundles", made.sha256[:16]) and opened.sha256 == made.sha256
    assert read_manifest(opened.directory / "artifact", verify=True) == read_manifest(EXPORT)
    (opened.directory / "artifact" / "model.onnx").write_bytes(b"edited")
    assert (open_bundle(made.path).directory / "artifact" / "model.onnx").read_bytes() == GRAPH


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"artifact__model.onnx": b"another"}, "are not those of its manifest.json"),
        ({"artifact__more.onnx": b""}, "are not those of its manifest.json"),
        ({"artifact__manifest.json": b"{}"}, "schema version None"),
    ],
)
def test_an_artifact_that_is_not_its_manifests(home: Path, files: dict[str, bytes], says: str) -> None:
    with pytest.raises(ReportError, match=says):
        open_bundle(repacked(packed().path, **files))


def with_session(**options: Any) -> bytes:
    return json.dumps({"model": {"decoder": DECODER | {"session_options": options}}}).encode()


@pytest.mark.parametrize(
    ("config", "more", "says"),
    [
        (with_session(custom_ops_library="ops.bin"), {}, "custom_ops_library"),
        (with_session(provider_options=[{"qnn": {"backend_path": "/tmp/lib.so"}}]), {}, "the manifest names CPU"),
        (json.dumps({"model": {"decoder": DECODER | {"filename": "../../model.onnx"}}}).encode(), {}, "filename"),
        (with_session(), {"ops.dll": b""}, "ops.dll is code"),
        (with_session(), {"sub/modeling.py": b""}, "modeling.py is code"),
        (with_session(), {"notes": b"\x7fELF" + bytes(60)}, "notes is code: an ELF"),
    ],
)
def test_what_would_run_code(home: Path, config: bytes, more: dict[str, bytes], says: str) -> None:
    manifest = read_manifest(EXPORT)
    path = packed().path
    write_export(EXPORT, {"genai_config.json": config, **more}, manifest.dataset, manifest.dataset_version)
    with pytest.raises(ReportError, match=says):
        packed()  # what is refused on arrival does not leave either
    with pytest.raises(ReportError, match=says):
        open_bundle(foreign(path, {"genai_config.json": config, **more}))


def foreign(path: Path, files: dict[str, bytes]) -> Path:
    """The bundle with other files in its artifact, index and manifest true to them: as somebody else packs one."""
    with zipfile.ZipFile(path) as archive:
        contents = Bundle.model_validate_json(archive.read("bundle.json"))
        sources: dict[str, Source] = {name: archive.read(name) for name in contents.files}
    held = read_manifest(EXPORT)
    sources |= {f"artifact/{name}": data for name, data in files.items()}
    sources["artifact/manifest.json"] = (EXPORT / "manifest.json").read_bytes()
    hashes = {name: hash_of(data) for name, data in sources.items()}
    contents = contents.model_copy(update={"files": hashes, "artifact_sha256": held.sha256})
    write_archive(other := path.with_name("foreign.zip"), contents, sources, lambda *_: None)
    return other


def test_the_wheel_installs_and_is_this_code(home: Path, tmp_path: Path) -> None:
    name, data = wheel()
    assert wheel() == (name, data)
    (tmp_path / name).write_bytes(data)
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", "site", str(tmp_path / name)]
    subprocess.run([sys.executable, *install], check=True, cwd=tmp_path)
    import olivepress.bundle.install as here

    assert (tmp_path / "site/olivepress/bundle/install.py").read_bytes() == Path(here.__file__).read_bytes()
    assert (tmp_path / "site" / "bin" / "olivepress").is_file()


def test_the_runtime_is_the_one_of_the_environment_that_built_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(EXPORT)
    assert environment_of(manifest).packages == environment("cpu").packages
    family = catalog.families()[manifest.family].model_copy(update={"build_environment": "build-next"})
    monkeypatch.setattr(catalog, "_read_families", lambda directory: {family.family: family})
    assert environment_of(manifest).packages == environment("cpu-next").packages
    assert environment_of(manifest.model_copy(update={"target": "of-somebody-else"})).packages == ()


def test_the_install_page_names_every_lock(home: Path) -> None:
    one = Environment(
        locks={
            "windows-arm64": "# Python 3.12, 3.13\nnumpy==2 --hash=sha256:0\n",
            "linux-x86_64": "# Python 3.11\nnumpy==2 --hash=sha256:0\n",
        },
        needs=("the driver of the NPU",),
        elsewhere="no wheels for it",
    )
    assert list(one.lock_files) == ["lock-linux-x86_64.txt", "lock-windows-arm64.txt"]
    page = install_page(read_manifest(EXPORT), one, bundle="b.zip", wheel="o.whl")
    for said in (
        "--require-hashes --no-deps -r install/lock-windows-arm64.txt",
        "py -3.12 -m venv",
        "python3.11 -m venv",
        "the driver of the NPU",
        "Other platforms: no wheels for it.",
        "olivepress bench b.zip",
        "olivepress import",
    ):
        assert said in page, said
    assert "knows no tested packages" in install_page(read_manifest(EXPORT), Environment(), bundle="b", wheel="w")


def measured(folder: Path, **changes: Any) -> DeviceReport:
    """A report of the artifact as a device writes it, with answers."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "export-cpu-int4.json"
    name, sha256 = write_examples([Example(id="1", output="a", expected="a")], path)
    fields: dict[str, Any] = {
        "recipe": "tiny", "job": "export-cpu-int4", "artifact_sha256": read_manifest(EXPORT).sha256,
        "examples_file": name, "examples_sha256": sha256,
    }  # fmt: skip
    return write_report(make_report(**(fields | changes)), path)


RESULT = Path("benchmarks", "results", "x86_64-test-2c", "tiny", "export-cpu-int4.json")


def test_a_report_comes_home_with_its_answers(home: Path, tmp_path: Path) -> None:
    report = measured(tmp_path / "device", settings={"bundle_sha256": packed().sha256})
    assert report.source is not None
    carried = pack_report(report, report.source, tmp_path / "r.report.zip")
    assert is_device_report(carried) and is_device_report(report.source)
    arrived = import_report(carried)
    assert arrived.path == RESULT and arrived.answers and arrived.replaced is None
    assert RESULT.read_bytes() == report.source.read_bytes()
    assert read_examples(read_report(RESULT)) == read_examples(report)
    assert import_report(report.source).replaced is None  # the same once more, unpacked


def test_a_report_without_its_answers(home: Path, tmp_path: Path) -> None:
    report = measured(tmp_path / "device")
    assert report.source is not None and report.examples_file is not None
    report.source.with_name(report.examples_file).unlink()
    assert not import_report(report.source).answers


def test_the_newer_report_stays(home: Path, tmp_path: Path) -> None:
    for number, created_at in enumerate(("2026-11-20T00:00:00+00:00", "2026-11-21T00:00:00+00:00")):
        report = measured(tmp_path / str(number), created_at=created_at, settings={"repetitions": number})
        assert report.source is not None
        arrived = import_report(report.source)
    assert arrived.replaced == "2026-11-20T00:00:00+00:00"
    before = RESULT.read_bytes()
    with pytest.raises(UsageError, match="it is newer than this report \\(2026-11-21T00:00:00"):
        import_report(tmp_path / "0" / "export-cpu-int4.json")
    assert RESULT.read_bytes() == before


def test_an_artifact_that_is_gone_is_known_by_its_bundle(home: Path, tmp_path: Path) -> None:
    made = packed()
    report = measured(tmp_path / "device", settings={"bundle_sha256": made.sha256})
    for path in (made.path, EXPORT / "manifest.json"):
        path.unlink()
    assert report.source is not None
    assert import_report(report.source).path == RESULT


def test_a_report_of_an_artifact_that_was_tuned_on_its_device(home: Path, tmp_path: Path) -> None:
    tuned: dict[str, Any] = {"untuned_sha256": read_manifest(EXPORT).sha256, "intra_op_num_threads": 2}
    report = measured(tmp_path / "device", artifact_sha256="d" * 64, settings=tuned)
    assert report.source is not None
    assert import_report(report.source).path == RESULT


def test_a_kill_while_a_bundle_is_noted_loses_no_other_bundle(home: Path, tmp_path: Path) -> None:
    first = packed()
    log = Path("runs", "tiny", "bundles.jsonl")
    whole = log.read_text()
    log.write_text(whole + whole[:100])  # the second was killed while its line was written
    third = packed(ids_only=True)
    for number, made in enumerate((first, third)):
        report = measured(tmp_path / str(number), settings={"bundle_sha256": made.sha256})
        assert report.source is not None
        assert import_report(report.source, out=tmp_path / "results" / str(number)).answers


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"artifact_sha256": "d" * 64}, "artifact was not made in this project"),
        ({"artifact_sha256": "d" * 64, "settings": {"untuned_sha256": "c" * 64}}, "was not made in this project"),
        ({"recipe": "other"}, "it names another job than tiny export-cpu-int4"),
        ({"job": "../../../evil"}, "it names another job than tiny export-cpu-int4"),
        (
            {"settings": {"bundle_sha256": "e" * 64}},
            "a bundle of export-cpu-int4 that was not made in this project",
        ),
        ({"examples_file": "base.json"}, "base.json' is not a name for answers"),
        ({"examples_file": "base.json", "examples_sha256": None}, "base.json' is not a name for answers"),
        ({"examples_sha256": "0" * 64}, "is not a name for answers"),
        ({"machine": {"id": "../../.."}}, "is not a plain name"),
        ({"machine": {"id": "a\nb"}}, "is not a plain name"),
    ],
)
def test_reports_that_are_refused(home: Path, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    if "machine" in changes:
        changes = {"machine": make_report().machine.model_copy(update=changes["machine"])}
    report = measured(tmp_path / "device", **changes)
    assert report.source is not None
    with pytest.raises(ReportError, match=says):
        import_report(report.source)
    assert not Path("benchmarks").exists()


def test_a_report_that_was_edited(home: Path, tmp_path: Path) -> None:
    report = measured(tmp_path / "device")
    assert report.source is not None and report.examples_file is not None
    answers = report.source.with_name(report.examples_file)
    answers.write_text(answers.read_text().replace("true", "false"))
    carried = pack_report(report, report.source, tmp_path / "r.zip")
    with pytest.raises(ReportError, match="does not match its report"):
        import_report(carried)
    report.source.write_text(report.source.read_text().replace("130.25", "930.25"))
    with pytest.raises(ReportError, match="it was changed after it was measured"):
        import_report(report.source)
    assert not Path("benchmarks").exists()


def test_a_zip_with_more_than_a_report(home: Path, tmp_path: Path) -> None:
    report = measured(tmp_path / "device")
    assert report.source is not None
    sources: dict[str, Source] = dict.fromkeys(("a", "b", "c"), b"x")
    files = {name: hash_of(data) for name, data in sources.items()}
    write_archive(tmp_path / "r.zip", CarriedReport(report="a", files=files), sources, lambda *_: None)
    with pytest.raises(ReportError, match="expected a report and its answers"):
        import_report(tmp_path / "r.zip")
    with pytest.raises(ReportError, match=r"no carried\.json in it"):
        import_report(packed().path)
    with pytest.raises(ReportError, match=r"no bundle\.json in it"):
        open_bundle(pack_report(report, report.source, tmp_path / "r.report.zip"))


def test_another_tools_result_is_none_of_ours(tmp_path: Path) -> None:
    assert not is_device_report(Path(__file__).parents[1] / "measure" / "importers" / "llama_bench.json")
    assert not is_device_report(tmp_path / "nothing.json")
