"""Which task may start, and what a failure stops."""

from __future__ import annotations

import random

import pytest

from olivepress.run.executors.graph import Graph


def drain(graph: Graph) -> list[str]:
    ready = []
    while (name := graph.next_ready()) is not None:
        ready.append(name)
    return ready


def test_a_task_starts_when_all_before_it_are_done() -> None:
    graph = Graph({"finetune": [], "merge": ["finetune"], "cpu": ["merge"], "npu": ["merge"], "pack": ["cpu", "npu"]})
    assert drain(graph) == ["finetune"]
    assert graph.end("finetune", "done") == []
    assert drain(graph) == ["merge"]
    graph.end("merge", "done")
    assert drain(graph) == ["cpu", "npu"]
    graph.end("npu", "done")
    assert drain(graph) == []
    graph.end("cpu", "done")
    assert drain(graph) == ["pack"] and graph.open == 1


def test_a_failure_stops_only_what_depends_on_it() -> None:
    graph = Graph({"a": [], "b": ["a"], "c": ["b", "other"], "other": [], "last": ["other"]})
    assert drain(graph) == ["a", "other"]
    assert graph.end("a", "failed") == ["b"]
    assert graph.end("other", "done") == ["c"]
    assert drain(graph) == ["last"]
    assert graph.states == {"a": "failed", "b": "skipped", "c": "skipped", "other": "done", "last": "running"}
    assert graph.blamed("c") == "a"


def test_a_failure_at_the_head_of_a_long_chain() -> None:
    names = [f"job{number}" for number in range(10_000)]
    graph = Graph({name: names[index - 1 : index] for index, name in enumerate(names)})
    assert drain(graph) == ["job0"]
    assert graph.end("job0", "failed") == names[1:]
    assert graph.open == 0 and graph.blamed("job9999") == "job0"


def test_an_alternative_is_tried_when_the_one_before_it_failed() -> None:
    after = {"merge": [], "int4": ["merge"], "int8": ["merge"], "fp32": ["merge"]}
    graph = Graph(after, {"int8": "int4", "fp32": "int8"})
    assert drain(graph) == ["merge"]
    graph.end("merge", "done")
    assert drain(graph) == ["int4"]
    assert graph.end("int4", "failed") == []
    assert drain(graph) == ["int8"]
    assert graph.end("int8", "done") == ["fp32"]
    assert graph.states["fp32"] == "not needed" and graph.open == 0


def test_without_what_all_alternatives_are_made_from_none_is_tried() -> None:
    graph = Graph({"merge": [], "int4": ["merge"], "int8": ["merge"]}, {"int8": "int4"})
    drain(graph)
    assert sorted(graph.end("merge", "failed")) == ["int4", "int8"]
    assert graph.states["int8"] == "skipped" and graph.blamed("int8") == "merge"


@pytest.mark.parametrize("seed", range(20))
def test_every_task_of_a_random_graph_ends_once(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"t{number}" for number in range(60)]
    after = {name: chance.sample(names[:index], min(index, chance.randrange(4))) for index, name in enumerate(names)}
    graph, running, ended = Graph(after), list[str](), list[str]()
    while graph.open:
        running += drain(graph)
        name = running.pop(chance.randrange(len(running)))
        assert all(graph.states[other] == "done" for other in after[name])
        state = "failed" if chance.random() < 0.1 else "done"
        ended += [name, *graph.end(name, state)]  # type: ignore[arg-type]
    assert sorted(ended) == sorted(names)
    for name in names:
        bad = any(graph.states[other] in ("failed", "skipped") for other in after[name])
        assert (graph.states[name] == "skipped") == bad
