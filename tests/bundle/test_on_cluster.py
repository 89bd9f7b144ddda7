"""Bench on the workers of a cluster: a bundle goes there, a report comes back and is checked as any other."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from olivepress.bundle import bundle_artifact, on_cluster
from olivepress.bundle.device import pack_report
from olivepress.bundle.on_cluster import _fields, bench_on_cluster, overrides_of, places_of
from olivepress.bundle.pack import Packed
from olivepress.core.errors import JobError, SetupError, UsageError
from olivepress.measure.settings import Workload
from olivepress.pipeline.artifacts import prepared_dataset
from olivepress.pipeline.bench import Overrides
from olivepress.pipeline.plan import load_plan
from olivepress.run.executors.cluster import Seen
from olivepress.run.executors.needs import missing
from olivepress.run.executors.plan_jobs import ClusterRun
from olivepress.run.executors.store import open_store
from olivepress.workflow.plan import Plan
from tests.bundle.conftest import EXPORT
from tests.bundle.test_bundle import RESULT, measured
from tests.run.executors.cluster_here import Silent, announcement
from tests.run.executors.one_worker import OneWorker

JOB = "export-cpu-int4"
HERE = ("build", "cpu")


@pytest.fixture
def plan(home: Path) -> Plan:
    return load_plan("tiny-phi")


def cluster_of(folder: Path, *workers: Any, **options: Any) -> tuple[ClusterRun, OneWorker]:
    one = OneWorker(folder, workers[0])
    one.seen = [one.seen[0], *(OneWorker(folder, other).seen[0] for other in workers[1:])]
    store = open_store(str(Path("store").absolute()), create=True)
    run: Any = ClusterRun(cluster=one, store=store, follower=Silent(), **options)  # type: ignore[arg-type]
    return run, one


def on_a_device(monkeypatch: pytest.MonkeyPatch, home: Path, asked: list[Overrides], **changes: Any) -> Packed:
    """What packs and what measures, without a model."""
    packed = bundle_artifact(EXPORT, dataset_dir=prepared_dataset(EXPORT))

    def bench_bundle(path: Path, *, data: Any, out: Path, overrides: Overrides, on_progress: Any) -> tuple[Path, Path]:
        asked.append(overrides)
        assert path.read_bytes() == (home / packed.path).read_bytes()
        here = Path.cwd()
        with contextlib.chdir(home):
            report = measured(here / "device", **{"settings": {"bundle_sha256": packed.sha256}, **changes})
            assert report.source is not None
            return report.source, pack_report(report, report.source, here / out)

    monkeypatch.setattr(on_cluster, "bench_bundle", bench_bundle)
    monkeypatch.setattr(on_cluster, "bundle_plan", lambda *_, **__: [packed])
    return packed


def test_a_report_comes_back(plan: Plan, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Overrides] = []
    on_a_device(monkeypatch, home, asked)
    cluster, worker = cluster_of(tmp_path / "worker", announcement("lab", environments=HERE, slots=2))
    wanted = Overrides(rounds=3, workloads=(Workload(prompt_tokens=8, generated_tokens=4),))
    assert bench_on_cluster(plan, cluster, only=JOB, overrides=wanted) == [RESULT]
    assert asked == [wanted]
    (spec,) = worker.specs
    assert spec.task == "bench" and [ref.path for ref in spec.inputs] == ["bundles/tiny-export-cpu-int4.zip"]
    # Once more: it is measured again, not taken from the store.
    bench_on_cluster(plan, cluster_of(tmp_path / "w2", announcement("lab", environments=HERE))[0], only=JOB,
                     overrides=wanted)  # fmt: skip
    assert len(asked) == 2


def test_a_report_of_another_artifact_is_refused(
    plan: Plan, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_device(monkeypatch, home, [], artifact_sha256="f" * 64)
    cluster, _ = cluster_of(tmp_path / "worker", announcement("lab", environments=HERE))
    with pytest.raises(JobError, match=r"1 of 1 measurements failed .*lab.*was not made in this project"):
        bench_on_cluster(plan, cluster, only=JOB, overrides=Overrides())
    assert not RESULT.exists()


def test_each_kind_of_machine_measures_once_and_alone(plan: Plan) -> None:
    workers = [
        announcement("a", kind="epyc-2c", environments=HERE, slots=3),
        announcement("b", kind="epyc-2c", environments=HERE),
        announcement("c", kind="core-8c", environments=HERE),
        announcement("d", kind="bare-4c"),
        announcement("gpu", kind="gpu", environments=("cuda",), devices={"cuda": 1}),
    ]
    places = places_of(plan, plan.job(JOB), workers, ())
    assert [worker.machine for worker, _ in places] == ["a", "c"]
    needs = places[0][1]
    assert needs.slots == 3 and [missing(needs, worker) for worker in workers[:2]] == ["", "3 slots"]
    assert set(needs.resources) <= set(workers[0].resources)
    assert not set(needs.resources) <= set(workers[1].resources)  # the very machine, by its name
    cuda = places_of(plan, plan.job("export-cuda-int4"), workers, ())
    assert [worker.machine for worker, _ in cuda] == ["gpu"] and cuda[0][1].devices == {"cuda": 1}
    assert places_of(plan, plan.job(JOB), workers, ("rack-1",)) == []


def test_two_machines_with_one_name_are_refused_and_neither_is_left_out(plan: Plan, tmp_path: Path) -> None:
    lab = announcement("lab", kind="epyc-2c", environments=HERE)
    cluster, worker = cluster_of(tmp_path / "worker", lab)
    worker.seen.append(Seen(address="other", announcement=announcement("lab", kind="core-8c", environments=HERE)))
    with pytest.raises(SetupError, match="two machines are called lab, of the kinds epyc-2c and core-8c"):
        bench_on_cluster(plan, cluster, only=JOB, overrides=Overrides())
    assert not Path("bundles").exists()


def test_what_no_worker_can_measure_is_said_before_it_is_packed(plan: Plan, tmp_path: Path) -> None:
    cluster, _ = cluster_of(tmp_path / "worker", announcement("lab"))
    with pytest.raises(SetupError, match=f"{JOB}: no worker can measure it"):
        bench_on_cluster(plan, cluster, only=JOB, overrides=Overrides())
    with pytest.raises(SetupError, match="no worker can measure an export of this recipe"):
        bench_on_cluster(plan, cluster, only=None, overrides=Overrides())
    with pytest.raises(UsageError, match="merge: not an export"):
        bench_on_cluster(plan, cluster, only="merge", overrides=Overrides())
    assert not Path("bundles").exists()


def test_settings_travel_as_json_and_files_do_not() -> None:
    for overrides in (Overrides(), Overrides(rounds=2, repetitions=4, limit=5, allow_fallback=True)):
        assert overrides_of(_fields(overrides)) == overrides
    with pytest.raises(UsageError, match="--text is for a bench on this machine"):
        _fields(Overrides(text=Path("a.txt")))
