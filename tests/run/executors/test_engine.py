"""Tries are bounded, a second delivery changes nothing, and a large plan is not submitted at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from olivepress import __version__
from olivepress.core.errors import JobError, OlivepressError, SetupError
from olivepress.run.executors import engine
from olivepress.run.executors.cluster import Ended, Lost, Seen
from olivepress.run.executors.engine import MOST_TRIES, run_tasks
from olivepress.run.executors.needs import Needs
from olivepress.run.executors.room import has_room
from olivepress.run.executors.specs import JobSpec, Outcome
from olivepress.run.executors.store import Damaged
from tests.run.executors.cluster_here import Silent, announcement

Answer = Callable[[JobSpec, int], Ended | list[Ended]]
KEY = "0" * 64


class Scripted:
    """A cluster that answers at once, as ``answer(spec, how often it was submitted)`` says."""

    address, topic = "tcp://127.0.0.1:1", "t"

    def __init__(self, answer: Answer, *machines: str) -> None:
        names = machines or ("one", "two", "three")
        self.seen = [Seen(address=f"at {name}", announcement=announcement(name)) for name in names]
        self.answer, self.waiting = answer, deque[tuple[str, str]]()
        self.counts = dict[str, int]()
        self.only: list[tuple[str, ...]] = []
        self.most = self.reconnected = 0

    def workers(self) -> list[Seen]:
        return self.seen

    def submit(self, name: str, text: str, resources: Mapping[str, float], only: Sequence[str] = ()) -> None:
        self.waiting.append((name, text))
        self.only.append(tuple(only))
        self.most = max(self.most, len(self.waiting))

    def ended(self) -> list[Ended]:
        if not self.waiting:
            return []
        name, text = self.waiting.popleft()
        self.counts[name] = self.counts.get(name, 0) + 1
        answer = self.answer(JobSpec.model_validate_json(text), self.counts[name])
        return answer if isinstance(answer, list) else [answer]

    def reconnect(self) -> None:
        self.waiting.clear()
        self.reconnected += 1

    def events(self) -> list[Mapping[str, Any]]:
        return []

    def drop(self, name: str) -> None:
        self.waiting = deque(entry for entry in self.waiting if entry[0] != name)

    def stop(self) -> bool:
        return True


class Plain:
    """A task that keeps what it is told."""

    def __init__(self, name: str, after: Sequence[str] = (), *, finished: bool = False) -> None:
        self.name, self.after, self.instead_of, self.needs = name, after, None, Needs()
        self.finished, self.told = finished, list[str]()
        self.error: OlivepressError | None = None
        self.damage: list[OlivepressError] = []

    def begin(self) -> JobSpec | None:
        if self.finished:
            return None
        return JobSpec(version=__version__, id=self.name, key=KEY, task="echo", store="s", store_id="i", topic="t")

    def end(self, outcome: Outcome) -> None:
        if self.damage:
            raise self.damage.pop()
        self.told.append(f"done on {outcome.machine}")

    def fail(self, error: OlivepressError, outcome: Outcome | None) -> str:
        self.error = error
        return "failed"

    def drop(self, state: str, because: str) -> None:
        self.told.append(f"{state} because of {because}")

    def stopped(self) -> None:
        self.told.append("stopped")

    def resend(self, sha256: Sequence[str]) -> None:
        self.told.append(f"resent {len(sha256)}")


def outcome(spec: JobSpec, state: str, machine: str = "one", **facts: Any) -> Ended:
    fields = {"id": spec.id, "key": spec.key, "state": state, "machine": machine, "seconds": 1.0, **facts}
    return Ended(name=spec.id, text=Outcome.model_validate(fields).model_dump_json())


def run(
    tasks: Sequence[Any], cluster: Any, follower: Silent | None = None, *, patience_s: float = 0.0
) -> Callable[[str], str]:
    return run_tasks(tasks, cluster, follower or Silent(), patience_s=patience_s)


def test_a_machine_that_cannot_is_not_asked_again() -> None:
    cluster = Scripted(lambda spec, count: outcome(spec, "elsewhere" if count == 1 else "done", error="disk full"))
    task = Plain("job")
    assert run([task], cluster)("job") == "done"
    assert cluster.only == [(), ("at two", "at three")] and task.told == ["done on one"]


def test_the_number_of_tries_is_bounded() -> None:
    machines = ["one", "two", "three"]
    cluster = Scripted(
        lambda spec, count: outcome(spec, "elsewhere", machines[count - 1], error="disk full"), *machines, "four"
    )
    task, after = Plain("job"), Plain("after", ["job"])
    assert run([task, after], cluster)("job") == "failed"
    assert cluster.counts["job"] == MOST_TRIES == 3
    assert str(task.error) == "job: given up after 3 tries; the last: three: disk full"
    assert after.told == ["skipped because of job"]


def test_where_no_machine_is_left_it_fails_at_once() -> None:
    cluster, task = Scripted(lambda spec, _: outcome(spec, "elsewhere", error="disk full"), "one"), Plain("job")
    run([task], cluster)
    assert cluster.counts["job"] == 1
    assert "job: no worker is left that can run it: one: disk full" in str(task.error)


def test_a_job_that_kills_its_workers_is_given_up() -> None:
    cluster = Scripted(lambda spec, _: Ended(name=spec.id, error="KilledWorker: 4 workers died"))
    task, other = Plain("job"), Plain("other")
    cluster.answer = lambda spec, _: (
        outcome(spec, "done") if spec.id == "other" else Ended(name=spec.id, error="KilledWorker: 4 workers died")
    )
    state = run([task, other], cluster)
    assert (state("job"), state("other"), cluster.counts["job"]) == ("failed", "done", 1)
    assert "its worker died each time" in str(task.error)


def test_an_error_of_the_job_itself_is_not_retried() -> None:
    cluster = Scripted(lambda spec, _: outcome(spec, "failed", error="the check failed", next_step="look"))
    task = Plain("job")
    run([task], cluster)
    assert cluster.counts["job"] == 1 and str(task.error) == "the check failed; next: look"


def test_a_second_delivery_changes_nothing() -> None:
    first, second = Plain("first"), Plain("second", ["first"])
    cluster = Scripted(lambda spec, _: [outcome(spec, "done", "one"), outcome(spec, "failed", "two", error="late")])
    state = run([first, second], cluster)
    assert (state("first"), state("second")) == ("done", "done")
    assert first.told == second.told == ["done on one"] and first.error is None


def test_an_answer_of_another_job_does_not_count() -> None:
    def answer(spec: JobSpec, count: int) -> Ended:
        if count == 1:
            return Ended(name=spec.id, text=outcome(spec.model_copy(update={"key": "f" * 64}), "done").text)
        return outcome(spec, "done") if count == 3 else Ended(name=spec.id, text="no JSON")

    task = Plain("job")
    assert run([task], Scripted(answer))("job") == "done"
    assert task.told == ["done on one"]


def test_what_did_not_arrive_is_done_again() -> None:
    from olivepress.run.executors.specs import FileRef

    task = Plain("job")
    task.damage = [Damaged(FileRef(path="a", sha256=KEY, bytes=1), "is damaged")]
    cluster = Scripted(lambda spec, count: outcome(spec, "done", str(count)))
    run([task], cluster)
    assert task.told == ["done on 2"]


def test_a_job_that_was_left_to_a_worker_which_is_gone_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is started again has another address; Dask would wait for the old one."""
    monkeypatch.setattr(engine, "_LOOK_S", 0.0)

    def answer(spec: JobSpec, count: int) -> Ended | list[Ended]:
        if count == 2:  # lost with its worker, which is another one from now on
            cluster.seen = [cluster.seen[0], Seen(address="at two again", announcement=announcement("two"))]
            return []
        return outcome(spec, "elsewhere" if count == 1 else "done", "one" if count == 1 else "two")

    cluster, task = Scripted(answer, "one", "two"), Plain("job")
    assert run([task], cluster)("job") == "done"
    assert cluster.only == [(), ("at two",), ("at two again",)] and task.told == ["done on two"]


def test_damaged_inputs_are_sent_again_and_nobody_is_blamed() -> None:
    task = Plain("job")
    cluster = Scripted(lambda spec, count: outcome(spec, "done" if count > 1 else "elsewhere", damaged=(KEY,)))
    run([task], cluster)
    assert task.told == ["resent 1", "done on one"] and cluster.only == [(), ()]


def test_inputs_that_cannot_be_sent_again_stop_this_job_alone() -> None:
    class Gone(Plain):
        def resend(self, sha256: Sequence[str]) -> None:
            raise SetupError("the store is full")

    def answer(spec: JobSpec, count: int) -> Ended:
        return outcome(spec, "elsewhere", damaged=(KEY,)) if spec.id == "bad" else outcome(spec, "done")

    bad = Gone("bad")
    state = run([bad, Plain("good")], Scripted(answer))
    assert (state("bad"), state("good"), str(bad.error)) == ("failed", "done", "the store is full")


def test_a_lost_scheduler_is_waited_for_and_asked_again() -> None:
    class Losing(Scripted):
        def ended(self) -> list[Ended]:
            if self.reconnected < 2:
                raise Lost("gone")
            return super().ended()

    cluster, follower = Losing(lambda spec, _: outcome(spec, "done")), Silent()
    tasks = [Plain("a"), Plain("b"), Plain("c", ["a", "b"])]
    state = run(tasks, cluster, follower)
    assert {state(task.name) for task in tasks} == {"done"}
    assert cluster.reconnected == 2 and cluster.counts == {"a": 1, "b": 1, "c": 1}
    assert sum("is gone" in told[1] for told in follower.told if told[0] == "lost") == 2


def test_an_error_of_this_side_stops_the_jobs_first() -> None:
    cluster, task = Scripted(lambda spec, _: []), Plain("job")

    class Broken(Silent):
        def tick(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([task], cluster, Broken())
    assert task.told == ["stopped"]


def test_jobs_of_one_device_do_not_keep_the_others_waiting() -> None:
    """Nor is a job given to a worker that is busy, where it would stay when another one becomes free."""
    order = list[str]()

    class Recording(Scripted):
        def submit(self, name: str, text: str, resources: Mapping[str, float], only: Sequence[str] = ()) -> None:
            super().submit(name, text, resources, only)
            order.append(name)

        def ended(self) -> list[Ended]:
            self.waiting.rotate(1)  # what was submitted last ends first
            return super().ended()

    cluster = Recording(lambda spec, _: outcome(spec, "done"))
    cluster.seen = [
        Seen(address="at gpu", announcement=announcement("gpu", devices={"cuda": 1})),
        Seen(address="at cpu", announcement=announcement("cpu")),
    ]
    gpu, cpu = [Plain(f"gpu{number}") for number in range(4)], [Plain(f"cpu{number}") for number in range(4)]
    for task in gpu:
        task.needs = Needs(devices={"cuda": 1})
    run([*gpu, *cpu], cluster)
    assert order[:2] == ["gpu0", "cpu0"] and cluster.most == 2
    assert len(order) == 8


def test_room() -> None:
    plain, gpu = {"slot": 1.0, "memory": 8.0}, {"slot": 2.0, "memory": 16.0, "cuda": 1.0}
    job, large, cuda = {"slot": 1.0, "memory": 6.0}, {"slot": 1.0, "memory": 12.0}, {"slot": 1.0, "cuda": 1.0}
    assert has_room([plain], [], job) and not has_room([plain], [job], job)
    assert has_room([gpu, plain], [job], cuda)  # the job is counted on the plain one
    assert has_room([gpu, plain], [job], large) and not has_room([gpu, plain], [job, job], large)
    assert not has_room([gpu, plain], [cuda], cuda)
    assert not has_room([], [], job)


@pytest.mark.parametrize("error", [SetupError("disk full here"), JobError("no parent")])
def test_what_cannot_be_submitted_fails_alone(error: OlivepressError) -> None:
    class Unready(Plain):
        def begin(self) -> JobSpec | None:
            raise error

    cluster = Scripted(lambda spec, _: outcome(spec, "done"))
    state = run([Unready("bad"), Plain("good")], cluster)
    assert (state("bad"), state("good")) == ("failed", "done")


def test_ten_thousand_jobs_are_submitted_a_few_at_a_time_and_resumed() -> None:
    names = [f"job{number}" for number in range(10_000)]
    cluster = Scripted(lambda spec, _: outcome(spec, "done"))
    tasks = [Plain(name, names[max(0, index - 2) : index]) for index, name in enumerate(names)]
    wide = [Plain(f"wide{number}") for number in range(200)]
    state = run([*wide, *tasks[:2000]], cluster)
    assert state("job1999") == "done" and cluster.most <= 3  # as many as there are slots
    for task in tasks[:2000]:
        task.finished = True
    again = Scripted(lambda spec, _: outcome(spec, "done"))
    state = run([*tasks[:2000], *[Plain(name) for name in names[2000:]]], again)
    assert state("job9999") == "done" and len(again.counts) == 8000
