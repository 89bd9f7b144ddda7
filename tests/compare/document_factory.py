"""A Document by hand, without measuring or comparing: two machines, five rows, 300 examples, always the same."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from olivepress.compare.document import (
    Answer,
    Candidate,
    ChecklistItem,
    Decision,
    Document,
    Example,
    Figure,
    LimitCheck,
    Reason,
    Row,
    Summary,
    Verdict,
    WrongAnswer,
)
from olivepress.compare.lookup import lookup_in
from olivepress.compare.summary import with_summaries
from olivepress.report.device_report import (
    Ceiling,
    DatasetUsed,
    DeviceReport,
    Measurement,
    Placement,
    WorkloadResult,
    measured,
    not_measured,
)
from olivepress.report.training_record import Shipped, TrainingRun, TrainingStep
from tests.report.factory import MACHINE, make_report

FIRST, SECOND = "x86_64-test-2c", "arm64-other-8c"
COLUMNS = (
    "exact_match",
    "kl_divergence",
    "ttft_ms",
    "prefill_tps",
    "decode_tps",
    "load_ms",
    "peak_memory_bytes",
    "size_on_disk_bytes",
)
NO_TIMES = "the PyTorch parent is measured for accuracy only"
NO_REFERENCE = "no reference of the parent was given"
EXAMPLES = 300
CHECKLIST = (
    ChecklistItem(name="seeds", recorded="finetune.seed 0"),
    ChecklistItem(name="commit", missing="keep the project in git"),
)

# job, machine, role, precision, examples right, decode tokens/s (0: not timed), size in bytes
ROWS: tuple[tuple[str, str, str, str, int, float, float], ...] = (
    ("base", FIRST, "base", "fp32", 30, 0.0, 5.3e6),
    ("finetune", FIRST, "fine-tuned", "fp32", 294, 0.0, 5.4e6),
    ("export-cpu-fp32", FIRST, "exported", "fp32", 294, 812.5, 5.6e6),
    ("export-cpu-int4", FIRST, "quantized", "int4", 288, 1403.25, 2.2e6),
    ("export-cpu-int4", SECOND, "quantized", "int4", 287, 95.75, 2.2e6),
)


def make_training(metric: str = "exact_match") -> TrainingRun:
    """A fine-tune with a step each 5, and an evaluation each 50 of them."""
    steps = []
    for step in range(0, 250, 5):
        loss = 6.0 * math.exp(-step / 60) + 0.05
        evaluated: dict[str, Any] = {}
        if step % 50 == 0:
            evaluated = {"validation_loss": loss + 0.25, "metrics": {metric: 1 - loss / 6.05}}
        rate, norm = 2e-4 * (1 - step / 250), 1 + loss / 3
        steps.append(TrainingStep(step=step, total=250, loss=loss, learning_rate=rate, grad_norm=norm, **evaluated))
    shipped = Shipped(step=200, steps=245, total=250, metric=metric, value=0.9, keep="best")
    return TrainingRun(steps=tuple(steps), shipped=shipped)


def make_document(**changes: Any) -> Document:
    """The document; ``changes`` replace its fields."""
    rows = tuple(_row(number) for number in range(len(ROWS)))
    fields: dict[str, Any] = {
        "title": "tiny on two machines",
        "columns": COLUMNS,
        "rows": rows,
        "decisions": with_summaries(_decisions(rows), rows, lookup_in(_verdicts(rows)), {}),
        "verdicts": _verdicts(rows),
        "remarks": ("latency, memory and load are of different machines",),
        "footnotes": ((NO_TIMES, ("TTFT", "Prefill", "Decode", "Load", "Peak memory")), (NO_REFERENCE, ("KL",))),
        "examples": tuple(_example(number, rows) for number in range(EXAMPLES)),
        "examples_left_out": 300,
        "training": {"tiny": make_training()},
        "checklists": {"tiny/finetune.1": CHECKLIST},
    }
    return Document(**(fields | changes))


def _row(number: int) -> Row:
    job, machine, role, _, _, rate, _ = ROWS[number]
    itl = tuple(round(1e3 / rate * (0.9 + 0.001 * q + (q / 100) ** 12), 6) for q in range(101)) if rate else ()
    report = _report(number)
    return Row(
        name=f"{job} @ {machine}",
        short=job,
        role=role,
        machine=machine,
        labels=("synthetic data",) if machine == FIRST else ("synthetic data", "emulated device"),
        report=report,
        itl_ms=itl,
        decode_by_round=tuple(rate * (1 + 0.002 * (r % 3)) for r in range(8)) if rate else (),
    )


def _report(number: int) -> DeviceReport:
    job, machine, _, precision, right, rate, size = ROWS[number]
    metrics = _metrics(right, rate, size)
    described = MACHINE.model_copy(update={"id": machine, "packages": {"numpy": "2.4.6", "onnxruntime": "1.31.1"}})
    changes: dict[str, Any] = {} if rate else {"runtime": "pytorch", "headline_workload": None, "workloads": ()}
    if rate:
        changes["placement"] = Placement(
            asked="QNNExecutionProvider" if machine == SECOND else "CPUExecutionProvider",
            nodes={"QNNExecutionProvider": 40, "CPUExecutionProvider": 13}
            if machine == SECOND
            else {"CPUExecutionProvider": 53},
            fallback=machine == SECOND,
            fallback_ops=("GatherBlockQuantized",) if machine == SECOND else (),
        )
        changes["ceiling"] = Ceiling(threads=2, read_bytes_per_s=5.7e10, matrix_flops=2.8e11, method="best pass")
        changes["workloads"] = (WorkloadResult(name="32x2", prompt_tokens=32, generated_tokens=2, metrics=metrics),)
    return make_report(
        job=job,
        precision=precision,
        machine=described,
        metrics=metrics,
        dataset=DatasetUsed(name="lamps", version="ab" * 32, split="test", n=EXAMPLES, of=EXAMPLES),
        samples=(),
        synthetic_data=True,
        emulated=machine == SECOND,
        report_sha256=f"{number:064x}",
        git_commit="201a65dda97b30b77dd98ab33256223e6945b347",
        **changes,
    )


def _metrics(right: int, rate: float, size: float) -> dict[str, Measurement]:
    share = right / EXAMPLES
    half = 2 * math.sqrt(max(share * (1 - share), 1e-4) / EXAMPLES)
    found = {
        "exact_match": measured(
            "exact_match", share, n=EXAMPLES, interval=(max(0.0, share - half), min(1.0, share + half))
        ),
        "kl_divergence": not_measured("kl_divergence", NO_REFERENCE),
        "size_on_disk_bytes": measured("size_on_disk_bytes", size, n=1),
    }
    if not rate:
        timed = ("ttft_ms", "prefill_tps", "decode_tps", "load_ms", "peak_memory_bytes")
        return found | {name: not_measured(name, NO_TIMES) for name in timed}
    return found | {
        "ttft_ms": measured("ttft_ms", 1e4 / rate, n=24, interval=(9.8e3 / rate, 1.03e4 / rate)),
        "prefill_tps": measured("prefill_tps", 4 * rate, n=24),
        "decode_tps": measured("decode_tps", rate, n=24, interval=(0.99 * rate, 1.005 * rate)),
        "load_ms": measured("load_ms", 3.5e4 / rate, n=8),
        "peak_memory_bytes": measured("peak_memory_bytes", 8e7 + 4 * size, n=8),
    }


def _decisions(rows: tuple[Row, ...]) -> tuple[Decision, ...]:
    fp32, int4, other = rows[2], rows[3], rows[4]
    limit = LimitCheck(key="peak_memory_bytes", limit=9.5e7, value=8.88e7, holds=True, text="peak memory 88.8 of 95 MB")
    over = LimitCheck(key="peak_memory_bytes", limit=9.5e7, value=1.024e8, holds=False, text="peak memory 102 of 95 MB")
    slow = LimitCheck(key="min_decode_tps", limit=100.0, value=95.75, holds=False, text="decode 95.8 of 100 tok/s")
    return (
        Decision(
            machine=FIRST,
            recipe="tiny",
            chosen=(int4.name,),
            headline="ship export-cpu-int4",
            outcome="ship",
            reasons=("the only one within its limits", "1.7 times as fast as fp32, exact match 2.0 points lower"),
            candidates=(
                Candidate(name=int4.name, outcome="recommended", limits=(limit,), on_front=True, reasons=()),
                Candidate(
                    name=fp32.name,
                    outcome="over budget",
                    limits=(over,),
                    on_front=True,
                    reasons=("needs too much memory",),
                ),
            ),
        ),
        Decision(
            machine=SECOND,
            recipe="tiny",
            chosen=(),
            headline="nothing fits the budget",
            outcome="over_budget",
            reason=Reason(code="budget", text="nothing fits the budget"),
            next_steps=("another target",),
            reasons=("the only candidate decodes too slowly",),
            candidates=(
                Candidate(name=other.name, outcome="over budget", limits=(slow,), on_front=True, reasons=("too slow",)),
            ),
        ),
    )


def _verdicts(rows: tuple[Row, ...]) -> tuple[Verdict, ...]:
    base, tuned, fp32, int4, other = (row.name for row in rows)
    exact: dict[str, Any] = {"metric": "exact_match", "n": EXAMPLES, "method": "exact McNemar"}
    return (
        Verdict(
            a=base, b=tuned, call="better", value_a=0.1, value_b=0.98, difference=0.88, ci_low=0.84, ci_high=0.92,
            p_value=1e-70, p_holm=3e-70, detectable=0.03, gained=264, **exact,
        ),
        Verdict(
            a=tuned, b=int4, call="cannot tell", value_a=0.98, value_b=0.96, difference=-0.02, ci_low=-0.045,
            ci_high=0.004, p_value=0.11, p_holm=0.22, detectable=0.035, lost=9, gained=3, **exact,
        ),
        Verdict(
            a=fp32, b=int4, metric="decode_tps", call="better", value_a=812.5, value_b=1403.25, difference=0.727,
            relative=True, ci_low=0.71, ci_high=0.74, confidence=0.99, n=8, method="signed rank",
        ),
        Verdict(
            a=fp32, b=int4, metric="size_on_disk_bytes", call="better", value_a=5.6e6, value_b=2.2e6, difference=-3.4e6
        ),
        Verdict(a=int4, b=other, metric="decode_tps", call="not comparable", notes=("measured on different machines",)),
    )  # fmt: skip


def _example(number: int, rows: tuple[Row, ...]) -> Example:
    expected = f'{{"name":"set_lamp","arguments":{{"room":"room {number}"}}}}'
    answers = []
    for row, (_, _, _, _, right, _, _) in zip(rows, ROWS, strict=True):
        correct = (number * 7 + 3) % EXAMPLES < right
        output = expected if correct else f"lamp {number % 13} of {row.role}"
        answers.append(Answer(row=row.name, output=output, correct=correct))
    question = f"Please set the lamp in room {number}"
    name = f"lamps-test-{number:04d}"
    return Example(id=name, expected=expected, label="set_lamp", answers=tuple(answers), question=question)


def one_machine(**changes: Any) -> Document:
    """The document of the first machine alone: one decision, so that its sentence heads the page."""
    whole = make_document()
    rows = tuple(row for row in whole.rows if row.machine == FIRST)
    names = {row.name for row in rows}
    fields: dict[str, Any] = {
        "title": f"tiny on {FIRST}",
        "rows": rows,
        "decisions": whole.decisions[:1],
        "verdicts": tuple(verdict for verdict in whole.verdicts if {verdict.a, verdict.b} <= names),
        "remarks": (),
        "examples": tuple(
            replace(example, answers=tuple(answer for answer in example.answers if answer.row in names))
            for example in whole.examples
        ),
    }
    return make_document(**(fields | changes))


def hostile_document(text: str) -> Document:
    """The document with ``text`` wherever a stranger's report could put one."""
    plain = make_document(examples=())
    machine = plain.rows[0].report.machine.model_copy(
        update={"id": text, "cpu": text, "os": text, "packages": {text: text}, "drivers": {text: text}}
    )
    metrics = dict(plain.rows[2].report.metrics) | {"kl_divergence": Measurement(unit="nats", reason=text)}
    fields: dict[str, Any] = {
        "recipe": text,
        "job": text,
        "machine": machine,
        "precision": text,
        "execution_provider": text,
        "created_at": text,
        "artifact_sha256": text,
        "git_commit": text,
        "bench_session": text,
        "settings": {"provider_options": text, text: text},
        "metrics": metrics,
        "lm_eval": {text: Measurement(value=0.5, unit=text, n=3)},
        "placement": Placement(asked=text, nodes={text: 3, "CPU": 4}, fallback=True, fallback_ops=(text,)),
        "dataset": DatasetUsed(name=text, version=text, split=text, n=3, of=3),
        "workloads": (WorkloadResult(name=text, prompt_tokens=1, generated_tokens=1, metrics={}, reason=text),),
    }
    report = plain.rows[2].report.model_copy(update=fields)
    bad = Row(
        name=text, short=text, role=text, machine=text, labels=(text,), report=report, itl_ms=plain.rows[2].itl_ms
    )
    rows = (*plain.rows, bad)
    check = LimitCheck(key=text, limit=1.0, value=None, holds=None, text=text)
    candidate = Candidate(name=text, outcome="fits", limits=(check,), on_front=True, reasons=(text,))
    decision = Decision(
        machine=text, recipe=text, chosen=(text,), headline=text, reasons=(text,), candidates=(candidate,),
        outcome="do_not_ship", reason=Reason(code="budget", text=text, against=text), next_steps=(text,),
        wrong_answers=(WrongAnswer(row=text, id=text, expected=text, output=text),),
    )  # fmt: skip
    verdict = Verdict(a=text, b=text, metric=text, call="better", difference=1.0, method=text, notes=(text,))
    answers = (Answer(row=text, output=text, correct=False), Answer(row=rows[0].name, output="fine", correct=True))
    figure = Figure(row=text, metric="exact_match", value=0.0, n=3)
    summary = Summary(
        machine=text, outcome="do_not_ship", artifacts=(text,), artifact_names=(text,), reference=text,
        reference_name=text, figures=(figure,), right=0, answered=3, deciding=(verdict,),
    )  # fmt: skip
    decision = replace(decision, summary=summary)
    return make_document(
        title=text,
        rows=rows,
        columns=(*plain.columns, text),
        decisions=(decision, *plain.decisions),
        verdicts=(verdict, *plain.verdicts),
        remarks=(text,),
        footnotes=((text, (text,)),),
        examples=(Example(id=text, expected=text, label=text, answers=answers, question=text),),
        training={text: make_training(text)},
        checklists={text: (ChecklistItem(name=text, recorded=text), ChecklistItem(name=text, missing=text))},
    )
