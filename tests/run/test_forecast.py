"""What is left of a run, by a clock that the test sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.pipeline.plan import load_plan
from olivepress.run.forecast import Forecast, expected_seconds
from olivepress.run.outlook import Outlook
from olivepress.workflow.estimate import needs
from tests.core.test_pace import Time


def test_estimates_are_corrected_by_what_finished_jobs_took() -> None:
    clock = Time()
    forecast = Forecast([0.0, 100.0, 60.0], clock)
    assert (forecast.count, forecast.left) == (3, 160.0)
    forecast.job_started()  # kept: nothing is known of it, and it corrects nothing
    assert forecast.job_left is None and forecast.left == 160.0
    forecast.job_ended()
    forecast.job_started()
    clock.now += 30
    assert (forecast.number, forecast.job_left, forecast.left) == (2, 70.0, 130.0)
    clock.now += 170  # longer than expected
    assert (forecast.job_left, forecast.left) == (0.0, 60.0)
    forecast.job_ended()  # twice the estimate
    forecast.job_started()
    assert (forecast.expected, forecast.left) == (120.0, 120.0)


@pytest.mark.parametrize(("took", "left"), [(1.0, 25.0), (10_000.0, 400.0)])
def test_one_job_does_not_correct_by_more_than_four(took: float, left: float) -> None:
    clock = Time()
    forecast = Forecast([100.0, 100.0], clock)
    forecast.job_started()
    clock.now += took
    forecast.job_ended()
    assert forecast.left == left


def test_steps_of_a_fine_tune_are_better_than_its_estimate() -> None:
    clock = Time()
    forecast = Forecast([1000.0, 50.0], clock)
    forecast.job_started()
    clock.now += 20  # Olive starts
    forecast.step(0, 100)
    clock.now += 5
    assert forecast.job_left == 975.0  # no pace yet
    forecast.step(10, 100)
    assert forecast.job_left == 0.5 * 90 + 10  # and half of what came before the first step
    assert forecast.left == 105.0
    clock.now += 45
    forecast.step(100, 100)
    clock.now += 4
    assert forecast.job_left == 6.0


def test_only_what_will_run_is_expected(project: Path) -> None:
    plan = load_plan("tiny-phi")
    states = {job.id: Outlook(state="kept") for job in plan.jobs}
    states |= {"merge": Outlook(state="run"), "export-cuda-int4": Outlook(state="cannot")}
    assert expected_seconds(plan, states) == [0.0, needs(plan)["merge"].seconds, 0.0, 0.0, 0.0]
