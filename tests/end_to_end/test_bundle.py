"""A bundle as two people use it: packed here, measured where nothing of the project is, its report taken in again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.environments.lookup import platform_here
from olivepress.report.device_report import DeviceReport, read_report

Cli = Callable[..., subprocess.CompletedProcess[str]]
SAME = ("exact_match", "f1_macro", "label_accuracy_constrained", "kl_top256", "top1_agreement", "gain_retained")
QUICK = ("--rounds", "1", "--repetitions", "1", "--workload", "16x8", "--workload", "datasetx4")


def report_of(project: Path, job: str = "export-cpu-int4") -> DeviceReport:
    (path,) = project.glob(f"benchmarks/results/*/small/{job}.json")
    return read_report(path)


def measured_at_home(project: Path, olivepress: Cli) -> DeviceReport:
    """Base, fine-tuned and exported model, so that the bundle can carry what the first two got right."""
    for job in ("base", "finetune", "export-cpu-int4"):
        done = olivepress("bench", "small", "--job", job, "--quiet", *QUICK)
        assert done.returncode == 0, done.stderr
    return report_of(project)


def carried(project: Path, device: Path, olivepress: Cli, *options: str) -> Path:
    done = olivepress("bundle", "small", "--job", "export-cpu-int4", "--json", *options)
    assert done.returncode == 0, done.stderr
    (made,) = json.loads(done.stdout)
    device.mkdir()
    return Path(shutil.copy(project / made["path"], device))


def test_there_and_back(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    here, device = measured_at_home(small, olivepress), tmp_path / "device"
    bundle = carried(small, device, olivepress)
    done = olivepress("bench", bundle.name, *QUICK, "--json", cwd=device)
    assert done.returncode == 0, done.stderr
    report_path, report_zip = json.loads(done.stdout)
    there = read_report(device / report_path)
    # Random weights gain nothing; to say so the device needs the outcomes of base and fine-tuned model.
    assert there.metrics["gain_retained"].reason == here.metrics["gain_retained"].reason
    assert "were not measured beside it" not in str(there.metrics["gain_retained"].reason)
    for name in SAME:
        assert there.metrics[name].value == here.metrics[name].value, name
    assert there.metrics["perplexity"].value == here.metrics["perplexity"].value  # the recipe's text went along
    assert there.metrics["cost"].value is None  # the price of this machine did not
    assert there.artifact_sha256 == here.artifact_sha256
    taken = olivepress("import", str(device / report_zip))
    assert taken.returncode == 0 and "replaces that of" in taken.stdout, taken.stderr
    arrived = report_of(small)
    assert arrived.settings["bundle_sha256"] == there.settings["bundle_sha256"]
    assert olivepress("report", "small").returncode == 0
    (other := tmp_path / "other").mkdir()
    refused = olivepress("import", str(device / report_zip), cwd=other)
    assert refused.returncode == 8 and "was not made in this project" in refused.stderr


def test_the_test_split_can_stay_at_home(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    device = tmp_path / "device"
    bundle = carried(small, device, olivepress, "--ids-only")
    (dataset,) = (small / "datasets").iterdir()
    rows = [json.loads(line) for line in (dataset / "test.jsonl").read_text().splitlines()]
    data = bundle.read_bytes()
    for row in rows:
        assert row["id"].encode() in data
        assert row["messages"][0]["content"].encode() not in data
    done = olivepress("bench", bundle.name, *QUICK, "--json", cwd=device)
    assert done.returncode == 0, done.stderr
    there = read_report(device / json.loads(done.stdout)[0])
    assert "--ids-only" in str(there.metrics["exact_match"].reason) and there.dataset is None
    assert there.metrics["kl_top256"].value and there.metrics["decode_tps"].value
    (by_length,) = (w for w in there.workloads if w.name.startswith("dataset"))
    assert "--ids-only" in str(by_length.reason)
    # Where the split lies already it can be named, and it must be the very same.
    done = olivepress("bench", bundle.name, *QUICK, "--data", str(dataset), "--json", cwd=device)
    assert done.returncode == 0, done.stderr
    assert read_report(device / json.loads(done.stdout)[0]).metrics["exact_match"].n == 6
    other = shutil.copytree(dataset, tmp_path / "other")
    facts = json.loads((other / "dataset.json").read_text())
    del facts["sha256"]
    (other / "dataset.json").write_text(json.dumps(facts))
    (other / "test.jsonl").write_text((other / "test.jsonl").read_text().replace("the", "a"))
    refused = olivepress("bench", bundle.name, "--data", str(other), cwd=device)
    assert refused.returncode == 4 and "not the dataset of the bundle" in refused.stderr


def test_what_no_bundle_is_made_of(small: Path, olivepress: Cli) -> None:
    export = small / "runs" / "small" / "export-cpu-int4"
    for arguments, code, says in (
        (("small", "--job", "merge"), 2, "merge: not an export"),
        ((str(export), "--job", "merge"), 2, "--job is for a recipe"),
        ((str(export.with_name("merge")),), 2, "a merge, not an export"),
    ):
        done = olivepress("bundle", *arguments)
        assert done.returncode == code and says in done.stderr, done.stderr
    (export / "genai_config.json").write_text("{}")
    done = olivepress("bundle", str(export))
    assert done.returncode == 8 and "is not the file its manifest names" in done.stderr
    assert not (small / "bundles").exists()


def typed(bundle: Path) -> tuple[DeviceReport, Path, set[str]]:
    """Every line of INSTALL.md for this platform, typed by a shell in the folder that has only the bundle.

    Returns the report, the file to carry back, and the packages that were installed.
    """
    with zipfile.ZipFile(bundle) as archive:
        page = archive.read("INSTALL.md").decode()
    blocks = [re.sub("(?m)^   ", "", block) for block in re.findall(r"   ```\n(.*?)   ```", page, re.DOTALL)]
    unpack, install = blocks[1], next(b for b in blocks if f"lock-{platform_here()}.txt" in b)
    bench = next(b for b in blocks if b.startswith("olivepress bench")).strip() + f" {' '.join(QUICK)} --json\n"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    script = f"set -e\n{unpack}( {install.strip()} ) >&2\n. .venv/bin/activate\npython -m pip list >&2\n{bench}"
    shell = ["bash", "-c", script]
    done = subprocess.run(shell, cwd=bundle.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report_path, report_zip = json.loads(done.stdout)
    packages = {line.split()[0] for line in done.stderr.lower().splitlines() if line.split()}
    return read_report(bundle.parent / report_path), bundle.parent / report_zip, packages


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_second_environment_made_by_its_own_install_page(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    here = measured_at_home(small, olivepress)
    there, carried_back, packages = typed(carried(small, tmp_path / "device", olivepress))
    assert "onnxruntime-genai" in packages and not {"torch", "transformers", "olive-ai", "peft"} & packages
    assert "torch" not in there.machine.packages and there.metrics["decode_tps"].value
    for name in SAME:
        assert there.metrics[name].value == here.metrics[name].value, name
    taken = olivepress("import", str(carried_back))
    assert taken.returncode == 0, taken.stderr
    assert report_of(small).report_sha256 == there.report_sha256


def test_a_fleet_of_one(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    """Measured for real with a key, elsewhere; imported and judged here."""
    device = tmp_path / "kiosk"
    bundle = carried(small, device, olivepress)
    (small / "list.csv").write_text("machine,class\nkiosk-1,kiosk\n", encoding="utf-8")
    made = olivepress("fleet", "init", "shop", str(bundle), "--machines", "list.csv", "--json")
    assert made.returncode == 0, made.stderr
    shutil.move(small / "fleets/shop/secrets/kiosk-1.key", device / "kiosk-1.key")
    done = olivepress("bench", bundle.name, *QUICK, "--key", "kiosk-1.key", "--out", "out.report.zip", cwd=device)
    assert done.returncode == 0, done.stderr
    incoming = small / "incoming"
    incoming.mkdir()
    for name in ("out.report.zip", "out.report.zip.minisig"):
        shutil.copy(device / name, incoming)
    taken = olivepress("fleet", "import", "incoming", "--json")
    assert taken.returncode == 0, taken.stdout
    assert json.loads(taken.stdout)["new"] == 1
    state = olivepress("fleet", "status", "--json")
    facts = json.loads(state.stdout)
    assert (state.returncode, facts["decision"], facts["reported"]) == (0, "promote", 1)
    measured = {each["metric"]: each["quantiles"]["median"]["value"] for each in facts["classes"][0]["metrics"]}
    there = read_report(next(device.glob("benchmarks/results/*/small/export-cpu-int4.json")))
    assert measured["decode_tps"] == there.value("decode_tps")
    assert measured["exact_match"] == there.value("exact_match")
