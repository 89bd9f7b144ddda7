"""What a job needs is compared with what workers announce, before it is submitted."""

from __future__ import annotations

import pytest

from olivepress.core.errors import SetupError
from olivepress.run.executors.needs import Needs, check_needs, missing, with_preferred
from tests.run.executors.cluster_here import announcement

GPU = announcement("gpu", devices={"cuda": 2}, environments=("build", "cuda"), memory_bytes=64_000_000_000)
NPU = announcement("lab", devices={"qnn-npu": 1}, labels=("lab-a",))
OLD = announcement("old", version="0.0.1")


@pytest.mark.parametrize(
    ("needs", "lacks"),
    [
        (Needs(environments=("build",), memory_bytes=8_000_000_000), ""),
        (Needs(environments=("qnn-build",)), "environment qnn-build"),
        (Needs(memory_bytes=9_500_000_000), "9.5 GB of memory (it has 8.0)"),
        (Needs(disk_bytes=8_100_000_000), "8.1 GB of disk (it has 8.0)"),
        (Needs(devices={"cuda": 1}), "cuda"),
        (Needs(devices={"qnn-npu": 2}), "2 qnn-npu"),
        (Needs(labels=("lab-a", "lab")), ""),
        (Needs(labels=("lab-b",)), "label lab-b"),
    ],
)
def test_what_is_missing(needs: Needs, lacks: str) -> None:
    assert missing(needs, NPU) == lacks


def test_a_need_that_no_worker_meets_is_an_error_that_names_the_job() -> None:
    with pytest.raises(
        SetupError, match=r"phi/export-x: no worker can run it: gpu lacks qnn-npu; old lacks olivepress"
    ):
        check_needs("phi/export-x", Needs(devices={"qnn-npu": 1}), [GPU, OLD])
    check_needs("phi/export-x", Needs(devices={"qnn-npu": 1}), [GPU, OLD, NPU])
    with pytest.raises(SetupError, match="phi/merge: the scheduler has no worker"):
        check_needs("phi/merge", Needs(), [])


def test_another_version_is_refused_and_named() -> None:
    assert "0.0.1" in missing(Needs(), OLD)
    # Its resources do not have what each job asks for, so that the scheduler does not choose it either.
    assert not set(Needs().resources) & set(OLD.resources)
    assert set(Needs().resources) <= set(NPU.resources)


def test_a_device_is_preferred_where_a_worker_has_it() -> None:
    needs = Needs(environments=("cuda",), prefers=("cuda",))
    assert with_preferred(needs, [NPU, GPU]).devices == {"cuda": 1}
    assert with_preferred(needs, [NPU]).devices == {}
    # The one with the device lacks something else: the job is not sent there.
    assert with_preferred(Needs(environments=("qnn",), prefers=("cuda",)), [GPU]).devices == {}


def test_resources_are_counted_or_named() -> None:
    has = announcement("m", slots=3, devices={"cuda": 2}, labels=("rack-1",)).resources
    assert has["cuda"] == 2 and has["memory"] == 8e9 and has["label rack-1"] == 3 and has["environment build"] == 3
    assert set(Needs(labels=("m",)).resources) <= has.keys()  # the name of a machine can be asked for as well
    wants = Needs(memory_bytes=5, devices={"cuda": 1}, labels=("rack-1",), environments=("build",)).resources
    assert wants.keys() <= has.keys()
    assert wants["memory"] == 5 and wants["label rack-1"] == 1
