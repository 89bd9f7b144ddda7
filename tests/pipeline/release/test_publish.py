"""From an artifact to a card, and from both to a folder or the Hub; what must not leave the machine does not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.artifact import artifact_hash, read_manifest
from olivepress.core.errors import DataError, SetupError
from olivepress.pipeline.release.publish import _check_file, publish, upload_to_hub
from olivepress.report.device_report import DatasetUsed, write_report
from olivepress.safety.results import write_result
from tests.report.factory import make_report
from tests.runtimes.artifact_factory import make_artifact
from tests.safety.test_comparison import planted

Command = Callable[..., Any]
CARD = Path("runs", "tiny", "cards", "export-cpu-int4.md")


@pytest.fixture
def artifact(fp32_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact with a reference of its parent, a device report, a safety result and its dataset."""
    monkeypatch.chdir(tmp_path)
    import shutil

    source = tmp_path / "source"
    shutil.copytree(fp32_model, source)
    (source / "reference").mkdir()
    (source / "reference" / "reference.npz").write_bytes(b"tokens of the rows")
    directory = make_artifact(source, Path("runs", "tiny", "export-cpu-int4"), base_model="/srv/models/tiny")
    manifest = read_manifest(directory)
    used = DatasetUsed(name="lamps", version="ab" * 32, split="test", n=4, of=4)
    report = make_report(job="export-cpu-int4", artifact_sha256=manifest.sha256, dataset=used)
    place = Path("benchmarks", "results", report.machine.id, "tiny", "export-cpu-int4.json")
    place.parent.mkdir(parents=True)
    write_report(report, place)
    result = planted("export-cpu-int4", recipe="tiny", artifact_sha256=manifest.sha256)
    write_result(result, Path("runs", "tiny", "safety", "export-cpu-int4.json"))
    facts = {"name": "lamps", "version": "ab" * 32, "rows": {"train": 9}, "source": {"licence": "cc0-1.0"}}
    Path("datasets", "lamps-abababababab").mkdir(parents=True)
    Path("datasets", "lamps-abababababab", "dataset.json").write_text(json.dumps(facts))
    return directory


def _complete() -> None:
    text = re.sub(r"<!-- fill in:.*?-->", "Written by a person.", CARD.read_text(encoding="utf-8"))
    text = text.replace("**Licence of the base model**: not known", "**Licence of the base model**: mit")
    text = text.replace("The settings are not known: the recipe is not here.", "LoRA of rank 16.")
    text = text.replace("It was not compared with its parent.", "Two points of accuracy.")
    CARD.write_text(text, encoding="utf-8")


def test_a_card_is_written_completed_and_published(artifact: Path, olivepress_here: Command) -> None:
    written = olivepress_here("card", str(artifact), "--licence", "mit", "--language", "en")
    assert written.returncode == 10 and "Intended use: to be filled in" in written.stdout
    text = CARD.read_text(encoding="utf-8")
    assert "/srv" not in text and "`tiny`" in text and "cc0-1.0" in text and "30 of 30" in text
    refused = olivepress_here("publish", str(artifact), "out")
    assert refused.returncode == 8 and "holes, the first:" in refused.stderr and not Path("out").exists()
    again = olivepress_here("card", str(artifact))
    assert again.returncode == 2 and "is there already" in again.stderr and CARD.read_text(encoding="utf-8") == text
    _complete()
    assert olivepress_here("card", str(CARD)).returncode == 0
    dry = olivepress_here("publish", str(artifact), "hub:owner/tiny", "--dry-run")
    assert dry.returncode == 0 and "not published: reference/reference.npz" in dry.stdout
    assert "genai_config.json" in dry.stdout and "nothing was written" in dry.stdout
    done = olivepress_here("publish", str(artifact), "out")
    assert done.returncode == 0, done.stderr
    published = read_manifest(Path("out"), verify=True)
    original = read_manifest(artifact)
    assert published.base_model == "tiny" and "/srv" not in Path("out", "manifest.json").read_text()
    assert set(original.files) - set(published.files) == {"reference/reference.npz"}
    assert published.sha256 == artifact_hash(published.files)
    assert json.loads(Path("out", "published.json").read_text())["artifact_sha256"] == original.sha256
    assert Path("out", "README.md").read_text(encoding="utf-8") == CARD.read_text(encoding="utf-8")
    twice = olivepress_here("publish", str(artifact), "out")
    assert twice.returncode == 2 and "is there already" in twice.stderr
    assert read_manifest(artifact, verify=True) == original
    assert not Path("out", "genai_config.json").samefile(artifact / "genai_config.json")  # edits there stay there
    answered = olivepress_here("chat", "out", "--prompt", "turn the lamp on", "--max-tokens", "3")
    assert answered.returncode == 0, answered.stderr


@pytest.mark.parametrize(
    "text",
    ["hf_abcdefghijklmnop", "-----BEGIN RSA PRIVATE KEY-----", "/home/anna/models/phi", "C:\\\\Users\\\\anna\\\\x"],
)
def test_secrets_and_personal_folders_are_not_published(text: str, artifact: Path, olivepress_here: Command) -> None:
    olivepress_here("card", str(artifact), "--licence", "mit", "--language", "en")
    _complete()
    CARD.write_text(CARD.read_text(encoding="utf-8") + f"\n{text}\n", encoding="utf-8")
    done = olivepress_here("publish", str(artifact), "out")
    assert done.returncode == 4 and "has what looks like" in done.stderr and not Path("out").exists()
    assert "abcdefghijklmnop" not in done.stderr


@pytest.mark.parametrize("name", ["NOTES.TXT", "settings.Json", "config.ini", "LICENSE", ".env"])
def test_every_text_is_searched_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("first\nkey: hf_abcdefghijklmnop\n")
    with pytest.raises(DataError, match=re.escape(f"{name}:2: has what looks like a secret")):
        _check_file(path)
    path.write_bytes(b"\0weights hf_abcdefghijklmnop")
    _check_file(path)


def test_a_large_text_is_searched_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from olivepress.pipeline.release import publish as module

    monkeypatch.setattr(module, "_PART", 10_000)
    path, line = tmp_path / "large.txt", "nothing here\n"
    for place in (769, 770, 40_000):  # 769 of these lines end before the first part does, and the next one does not
        path.write_text(line * place + "hf_abcdefghijklmnop\n" + line * 10)
        with pytest.raises(DataError, match=f"large.txt:{place + 1}: has what looks like a secret"):
            _check_file(path)
    path.write_text(line * 40_000)
    _check_file(path)
    path.write_text(
        "北京朝阳区\n" * 9_000 + "-----BEGIN PRIVATE KEY-----\n", encoding="utf-8"
    )  # Yelp/detect-secrets#626
    with pytest.raises(DataError, match="9001: has what looks like a private key"):
        _check_file(path)


def test_a_changed_artifact_is_not_published(artifact: Path, olivepress_here: Command) -> None:
    olivepress_here("card", str(artifact), "--licence", "mit", "--language", "en")
    _complete()
    (artifact / "genai_config.json").write_text("{}")
    done = olivepress_here("publish", str(artifact), "out")
    assert done.returncode == 8 and "is not the file its manifest names" in done.stderr


def test_the_hub_gets_the_packed_folder_and_a_private_repository(artifact: Path, olivepress_here: Command) -> None:
    olivepress_here("card", str(artifact), "--licence", "mit", "--language", "en")
    _complete()
    seen: list[Any] = []

    def upload(folder: Path, repository: str, private: bool) -> str:
        seen.append((repository, private, sorted(path.name for path in folder.iterdir())))
        return "https://hub.example/owner/tiny"

    assert publish(artifact, "hub:owner/tiny", upload=upload) == "https://hub.example/owner/tiny"
    ((repository, private, names),) = seen
    assert (repository, private) == ("owner/tiny", True)
    assert {"README.md", "manifest.json", "published.json", "genai_config.json"} <= set(names)
    assert "reference" not in names
    assert not list(artifact.parent.glob(".publish-*"))
    wrong = olivepress_here("publish", str(artifact), "hub:../x")
    assert wrong.returncode == 2 and "expected hub:owner/name" in wrong.stderr


def test_the_hubs_client_is_called_and_its_errors_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    calls: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def create_repo(self, repository: str, **options: Any) -> None:
            calls.append((repository, options))

        def upload_folder(self, **options: Any) -> Any:
            calls.append(("upload", options))
            raise OSError("401 for hf_abcdefghijklmnop\nmore")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    with pytest.raises(SetupError) as error:
        upload_to_hub(tmp_path, "owner/tiny", True)
    assert calls[0] == ("owner/tiny", {"repo_type": "model", "private": True, "exist_ok": True})
    assert calls[1][1]["folder_path"] == str(tmp_path)
    assert "abcdefghijklmnop" not in str(error.value) and "\n" not in str(error.value)


def test_without_a_network_it_is_an_error_of_one_line(artifact: Path, olivepress_here: Command) -> None:
    """The real client, offline as in every test."""
    olivepress_here("card", str(artifact), "--licence", "mit", "--language", "en")
    _complete()
    done = olivepress_here("publish", str(artifact), "hub:owner/tiny")
    assert done.returncode == 7 and "cannot be uploaded" in done.stderr and done.stderr.count("\n") == 1
