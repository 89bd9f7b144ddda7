"""``olivepress bench BUNDLE --key``: the key is tried first, named in the report, and signs what is carried back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.bundle import device
from olivepress.bundle.device import SigningKey
from olivepress.core.errors import UsageError
from olivepress.core.layout import TRUSTED_KEYS
from olivepress.registry.signatures import key_id, new_key, new_pair, public_key, signature_path, verify
from olivepress.report.device_report import DeviceReport, read_report, write_report
from tests.bundle.conftest import EXPORT, home
from tests.fleet.conftest import Desk
from tests.report.factory import make_report

__all__ = ["home"]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bundle(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle whose measurement is one of ours: there is no model in it."""
    from olivepress.bundle import bundle_artifact
    from olivepress.pipeline.artifacts import prepared_dataset

    def bench_artifact(_: Path, *, settings: Any, **__: Any) -> tuple[DeviceReport, Path]:
        stated = {"bundle_sha256": settings.bundle_sha256, "signing_key": settings.signing_key}
        path = Path("benchmarks/results/box/tiny/export-cpu-int4.json")
        return write_report(make_report(recipe="tiny", job="export-cpu-int4", settings=stated), path), path

    monkeypatch.setattr(device, "bench_artifact", bench_artifact)
    return bundle_artifact(EXPORT, dataset_dir=prepared_dataset(EXPORT)).path


def test_what_is_carried_back_is_signed(bundle: Path, olivepress_here: Command) -> None:
    secret, public = new_pair()
    Path("machine.key").write_bytes(secret)
    done = olivepress_here("bench", str(bundle), "--key", "machine.key", "--quiet")
    assert done.returncode == 0, done.stderr
    report, carried, signature = map(Path, done.stdout.split())
    assert signature == signature_path(carried)
    verify(carried.read_bytes(), signature.read_bytes(), public_key(public))
    assert read_report(report).settings["signing_key"] == key_id(public)
    assert not TRUSTED_KEYS.exists()  # a device has no list of keys


def test_a_key_that_cannot_be_used_is_reported_before_anything_is_measured(
    bundle: Path, olivepress_here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "bench_artifact", lambda *_, **__: pytest.fail("measured"))
    Path("damaged.key").write_text("not a key")
    for name, expected in (("missing.key", "no such file"), ("damaged.key", "damaged.key: ")):
        done = olivepress_here("bench", str(bundle), "--key", name)
        assert done.returncode == 2 and expected in done.stderr


def test_a_key_with_a_password(bundle: Path, olivepress_here: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    new_key(Path("machine.key"), "secret words")
    monkeypatch.setenv("OLIVEPRESS_KEY_PASSWORD", "other words")
    assert olivepress_here("bench", str(bundle), "--key", "machine.key").returncode == 2
    monkeypatch.setenv("OLIVEPRESS_KEY_PASSWORD", "secret words")
    assert olivepress_here("bench", str(bundle), "--key", "machine.key").returncode == 0
    assert "secret words" not in repr(SigningKey(file=Path("machine.key"), password="secret words"))


def test_a_key_is_for_a_bundle(home: Path, olivepress_here: Command) -> None:
    done = olivepress_here("bench", str(EXPORT), "--key", "machine.key")
    assert done.returncode == 2
    assert f"--key is for a bundle, and {EXPORT} is not one" in done.stderr


def test_without_a_key_nothing_is_signed(bundle: Path, olivepress_here: Command) -> None:
    done = olivepress_here("bench", str(bundle), "--quiet")
    report, carried = map(Path, done.stdout.split())
    assert read_report(report).settings["signing_key"] is None
    assert not signature_path(carried).exists()


def test_a_report_that_was_measured_without_a_key_and_signed_later(desk: Desk) -> None:
    """``olivepress sign`` after the measurement says nothing of who measured."""
    desk.send("k000", changes={"settings": {"bundle_sha256": desk.simulated.bundle_sha256}})
    (refusal,) = desk.receive().refused
    assert (refusal.kind, refusal.reason[:23]) == ("other machine", "measured without a key,")


def test_a_lost_key_is_an_error_in_one_line() -> None:
    with pytest.raises(UsageError, match="no such file"):
        _ = SigningKey(file=Path("gone.key")).id
