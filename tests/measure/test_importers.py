"""Importers on files made up after the documented formats; the expected numbers are worked out by hand beside each."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import ReportError
from olivepress.measure.importers import import_results, parse_json, parsing
from olivepress.report.device_report import DeviceReport, read_report, write_report
from olivepress.report.registry import METRICS

SAMPLES = Path(__file__).parent / "importers"
NAMES = ("llama_bench", "optimum_benchmark", "mlperf_client", "olive_metrics")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def load(path: Path) -> list[DeviceReport]:
    return import_results(path, recipe="tiny", job="cpu-int4", now=lambda: NOW)


def sample(name: str) -> list[DeviceReport]:
    return load(SAMPLES / f"{name}.json")


def value(report: DeviceReport, name: str) -> float | None:
    return report.metrics[name].value


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_is_there_and_the_report_survives_the_round_trip(name: str, tmp_path: Path) -> None:
    reports = sample(name)
    assert reports
    for number, report in enumerate(reports):
        for metrics in (report.metrics, *(workload.metrics for workload in report.workloads)):
            assert metrics.keys() == METRICS.keys()
            assert all(m.reason for m in metrics.values() if m.value is None)
        path = tmp_path / f"{number}.json"
        sealed = write_report(report, path)
        assert read_report(path) == sealed
        assert report.artifact_sha256 == "unknown"
        assert report.settings["imported_at"] == "2026-11-21T12:00:00+00:00"
        assert "someone" not in path.read_text()  # folders of a person stay behind


def test_llama_bench() -> None:
    four, eight = sample("llama_bench")
    # 512 tokens in 2, 2.048 and 2.56 s: 256, 250 and 200 tokens/s; 128 in 4, 3.2 and 2.56 s: 32, 40 and 50.
    assert value(four, "prefill_tps") == 250.0
    assert value(four, "decode_tps") == 40.0
    assert (four.metrics["prefill_tps"].n, four.metrics["decode_tps"].n) == (3, 3)
    assert four.metrics["load_ms"].reason == "llama-bench does not measure load_ms"
    assert four.metrics["ttft_ms"].reason == "llama-bench times the prefill without choosing the first token"
    by_name = {workload.name: workload for workload in four.workloads}
    assert list(by_name) == ["pp512", "tg128", "tg64@d512", "pp512+tg128"]
    assert by_name["tg64@d512"].metrics["decode_tps"].value == 32.0  # 64 tokens in 2 s
    assert by_name["tg64@d512"].prompt_tokens == 512
    assert by_name["pp512+tg128"].reason == "the test's one rate mixes prefill and decode"
    assert by_name["pp512"].metrics["decode_tps"].reason == "pp512 does not measure decode_tps"
    assert (four.runtime, four.device, four.execution_provider, four.precision) == (
        "llama.cpp", "cpu", "CPU", "Q4_K - Medium"
    )  # fmt: skip
    assert four.machine.id == "unknown-example-core-5"
    assert (four.machine.logical_cores, four.machine.memory_bytes, four.machine.physical_cores) == (None, None, None)
    assert four.created_at == "2026-01-02T03:04:05+00:00"
    assert four.settings["model"] == "tiny-Q4_K_M.gguf"
    assert four.settings["samples_ns pp512"] == "2000000000 2048000000 2560000000"
    assert four.samples == ()
    # The test with 8 threads is another configuration: its own report, 256 tokens in 0.5 s, and no tg test.
    assert (eight.settings["n_threads"], value(eight, "prefill_tps")) == (8, 512.0)
    assert eight.metrics["decode_tps"].reason == "the file has no tg test"


def test_llama_bench_json_lines_is_the_same(tmp_path: Path) -> None:
    tests = json.loads((SAMPLES / "llama_bench.json").read_text())
    lines = tmp_path / "bench.jsonl"
    lines.write_text("\n".join(json.dumps(test) for test in tests) + "\n")
    assert load(lines) == sample("llama_bench")
    lines.write_text(json.dumps(tests[0]) + "\n")
    assert value(load(lines)[0], "prefill_tps") == 250.0


def test_optimum_benchmark() -> None:
    (report,) = sample("optimum_benchmark")
    assert value(report, "ttft_ms") == 125.0  # 0.1, 0.125 and 0.16 s
    assert value(report, "prefill_tps") == 512.0  # 64 tokens in 0.125 s
    assert value(report, "decode_tps") == 10.0  # 10 tokens after the first in 1 s on average
    assert value(report, "itl_p50_ms") == 100.0
    assert value(report, "load_ms") == 2500.0
    assert value(report, "peak_memory_bytes") == 812_500_000.0
    assert report.metrics["peak_accelerator_memory_bytes"].value is None
    assert report.metrics["ttft_ms"].n == 3
    assert (report.runtime, report.execution_provider, report.device) == (
        "onnxruntime", "CPUExecutionProvider", "cpu"
    )  # fmt: skip
    assert report.machine.id == "x86_64-example-core-5-12c"
    assert (report.machine.logical_cores, report.machine.memory_bytes) == (12, 16_000_500_000)
    assert report.machine.packages["transformers"] == "4.57.6"
    assert report.headline_workload == "64x11"
    assert report.settings["prefill seconds"] == "0.1 0.125 0.16"


def test_optimum_benchmark_report_alone(tmp_path: Path) -> None:
    whole = json.loads((SAMPLES / "optimum_benchmark.json").read_text())
    path = tmp_path / "benchmark_report.json"
    path.write_text(json.dumps(whole["report"]))
    (report,) = load(path)
    assert value(report, "ttft_ms") == 125.0  # batch 1: prefill throughput x mean latency
    assert report.metrics["prefill_tps"].reason == (
        "the file does not state the prompt's length: import benchmark.json, which contains the config as well"
    )
    assert report.workloads == ()
    assert "the file does not state the device" in report.warnings


def test_optimum_benchmark_batches_are_not_our_rates(tmp_path: Path) -> None:
    whole = json.loads((SAMPLES / "optimum_benchmark.json").read_text())
    whole["config"]["scenario"]["input_shapes"]["batch_size"] = 2
    path = tmp_path / "benchmark.json"
    path.write_text(json.dumps(whole))
    (report,) = load(path)
    assert report.metrics["decode_tps"].reason == "measured in batches of 2; our metrics are of one sequence"
    assert value(report, "peak_memory_bytes") == 812_500_000.0


def test_mlperf_client() -> None:
    tested, untested, failed = sample("mlperf_client")
    assert (value(tested, "ttft_ms"), value(tested, "decode_tps")) == (245.0, 42.5)
    assert [w.name for w in tested.workloads] == ["Code Analysis", "Content Generation"]
    code = tested.workloads[0]
    assert (code.prompt_tokens, code.generated_tokens) == (2048, 256)
    assert (code.metrics["ttft_ms"].value, code.metrics["decode_tps"].value) == (300.0, 40.25)
    assert (tested.runtime, tested.device, tested.headline_workload) == ("onnxruntime-genai", "gpu", None)
    assert tested.machine.id == "x86_64-example-ryzen-7-16c"
    assert (tested.machine.physical_cores, tested.machine.memory_bytes) == (8, 32_000_000_000)
    assert tested.machine.drivers == {"Example GPU": "1.2.3"}
    assert (untested.device, untested.runtime, value(untested, "ttft_ms")) == ("npu", "other", 500.0)
    assert untested.metrics["decode_tps"].reason == (
        "MLPerf Client writes 0 where the rate of the later tokens is unknown"
    )
    assert "the configuration was not tested by MLCommons" in untested.warnings
    assert failed.metrics["ttft_ms"].reason == "the run failed: out of memory: model.onnx"


def test_olive_metrics() -> None:
    (report,) = sample("olive_metrics")
    assert (value(report, "exact_match"), value(report, "json_valid")) == (0.75, 1.0)
    assert report.metrics["exact_match"].n == 0
    assert report.settings["latency-avg"] == 12.5
    assert "one forward pass" in str(report.metrics["ttft_ms"].reason)
    assert report.machine.id == "unknown-not-stated"


def test_our_own_metrics_of_olive_say_of_how_many_rows_they_are(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"olivepress-exact_match": EXACT, "olivepress-rows": EXACT | {"value": 32}}))
    (report,) = load(path)
    assert (report.metrics["exact_match"].value, report.metrics["exact_match"].n) == (0.5, 32)
    assert "rows" not in report.settings and "olivepress-rows" not in report.settings
    assert "metrics.json states no intervals" in report.warnings


TEST = {"n_prompt": 8, "n_gen": 0, "n_depth": 0, "avg_ts": 8.0, "samples_ns": [1_000_000_000], "backends": "CPU"}
RUN = {
    "Scenario Name": "s", "Execution Provider Name": "OrtGenAI", "Benchmark Success": True, "Iterations": 1,
    "category_results": {
        "c": {"Avg Time to First Token": 1, "Avg 2nd+ Token Generation Rate": 1, "Avg Input Tokens": 1,
              "Avg Generated Tokens": 1}
    },
}  # fmt: skip
EXACT = {"value": 0.5, "priority": 1, "higher_is_better": True}
SECONDS = {"unit": "s", "values": [1.0], "mean": 1.0}
PREFILL = {"prefill": {"latency": SECONDS, "throughput": {"unit": "samples/s", "value": 1.0}}}


def category(**changes: object) -> dict[str, Any]:
    return RUN | {"category_results": {"c": RUN["category_results"]["c"] | changes}}  # type: ignore[index]


def latency(**changes: object) -> dict[str, Any]:
    return {"prefill": PREFILL["prefill"] | {"latency": SECONDS | changes}}


def test_the_smallest_files_are_read(tmp_path: Path) -> None:
    for content in (TEST, RUN, {"olivepress-exact_match": EXACT}, PREFILL):
        path = tmp_path / "r.json"
        path.write_text(json.dumps(content))
        assert len(load(path)) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (TEST | {"avg_ts": 0}, "'avg_ts' is 0"),
        (TEST | {"avg_ts": -8.0}, "'avg_ts' is -8"),
        (TEST | {"avg_ts": "8.0"}, "expected a number in 'avg_ts', found '8.0'"),
        (TEST | {"avg_ts": True}, "expected a number in 'avg_ts', found True"),
        (TEST | {"avg_ts": None}, "expected a number in 'avg_ts', found nothing"),
        (TEST | {"avg_ts": 10**300}, "expected a number in 'avg_ts'"),
        (TEST | {"avg_ts": 9.0}, "avg_ts is 9, but its samples give 8"),
        (TEST | {"n_prompt": -8}, "whole number of 0 or more in 'n_prompt'"),
        (TEST | {"n_prompt": 8.5}, "whole number of 0 or more in 'n_prompt'"),
        (TEST | {"n_prompt": 0}, "nothing was measured"),
        (TEST | {"samples_ns": [0]}, "'0' is 0"),
        (TEST | {"samples_ns": [5e-324]}, "'0' is 5e-324, expected more than 0"),
        (TEST | {"samples_ns": "fast"}, "expected a list in 'samples_ns'"),
        (TEST | {"cpu_info": 7}, "expected a text in 'cpu_info'"),
        ([TEST, TEST], "pp8 occurs twice"),
        (latency(values=[]), "'values' is empty"),
        (latency(values=[-1.0]), "'0' is -1"),
        (latency(mean=2.0), "mean is 2, but the values give 1"),
        (latency(unit="ms"), "expected 'unit' to be 's', found 'ms'"),
        ({"load_model": {"latency": SECONDS}}, "not a text generation"),
        ({"config": {}, "report": {}}, "not a text generation"),
        (PREFILL | {"decode": {"throughput": {"unit": "samples/s", "value": 1}}}, "expected 'unit' to be 'tokens/s'"),
        (category(**{"Avg Time to First Token": 0}), "'Avg Time to First Token' is 0"),
        (category(**{"Avg 2nd+ Token Generation Rate": -1}), "'Avg 2nd\\+ Token Generation Rate' is -1"),
        (category(**{"Avg Input Tokens": "many"}), "whole number of 0 or more in 'Avg Input Tokens'"),
        (RUN | {"Benchmark Success": "yes"}, "expected true or false"),
        (RUN | {"category_results": [1]}, "expected an object in 'category_results'"),
        (RUN | {"Is Image Benchmark": True}, "none of its runs is of a language model"),
        ({"olivepress-exact_match": EXACT | {"value": "0.5"}}, "expected a number in 'value'"),
        ({"olivepress-rows": EXACT | {"value": 1.5}}, "expected a whole number of 0 or more in 'value'"),
        ({"olivepress-exact_match": EXACT | {"value": 1.5}}, "expected a share from 0 to 1"),
        ({"olivepress-exact_match": EXACT | {"higher_is_better": False}}, "not our exact_match"),
        (TEST | RUN, "its keys match both llama-bench and MLPerf Client"),
        ({}, "its keys match no format"),
        ([], "its keys match no format"),
        (7, "its keys match no format"),
        ({"schema_version": 2, "metrics": {}}, "its keys match no format"),
        ([TEST, RUN], "its keys match no format"),
    ],
)
def test_what_cannot_be_a_measurement_is_refused(content: object, says: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    refuses(path, says)


def refuses(path: Path, says: str) -> None:
    with pytest.raises(ReportError, match=says) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    assert all(name in message for name in ("llama-bench", "optimum-benchmark", "MLPerf Client", "Olive", "next: "))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not complete JSON"),
        ('[{"n_prompt": 8, "n_gen": 0, "avg_ts"', "truncated"),
        ('{"n_prompt": 8, "n_gen": 0, "avg_ts": NaN}', "NaN is not a measurement"),
        ('{"n_prompt": 8, "n_gen": 0, "avg_ts": 1e999}', "1e999 is not a finite number"),
        ('{"n_prompt": 8, "n_prompt": 8}', "key 'n_prompt' occurs twice"),
        ('{"a": 1}\n{"a": 1, "a": 2}', "line 2: key 'a' occurs twice"),
        ('{"a": 1}\n{"a": ', "line 2: not complete JSON"),
        ('{"a": 1} trailing', "not complete JSON"),
        ('{"a": ' + "[" * 200_000, "not a JSON text"),
        ('{"a": 1}\n' + "[" * 200_000, "not a JSON text"),
        ('{"a": ' + "9" * 5000 + "}", "not a JSON text"),
    ],
)
def test_texts_that_are_no_json(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    refuses(path, says)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("keep", [1, 40, 333])
def test_truncated(name: str, keep: int, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text((SAMPLES / f"{name}.json").read_text()[:keep])
    refuses(path, "not complete JSON")


def test_size_bytes_and_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuses(tmp_path / "none.json", "cannot be read")
    refuses(tmp_path, "cannot be read")
    path = tmp_path / "r.json"
    path.write_bytes(b"\xff\xfe{}")
    refuses(path, "not UTF-8")
    assert parsing.MAX_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(parsing, "MAX_BYTES", 10)
    path.write_text('{"a": "long enough"}')
    refuses(path, "larger than 10 bytes")


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(TEST).encode())
    assert parse_json(path) == TEST


@pytest.mark.parametrize("where", ["cpu_info", "model_type", "gpu_info"])
def test_texts_of_a_file_stay_on_one_line(where: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(TEST | {where: "a\nb\x1b[31m" + "c" * 5000}))
    (report,) = load(path)
    texts = [report.machine.cpu, *(str(setting) for setting in report.settings.values())]
    assert all(text.isprintable() and len(text) <= 200 for text in texts)


def mutated(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((SAMPLES / "optimum_benchmark.json").read_text())
    change(whole)
    return whole


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w["config"].update(scenario=7),
        lambda w: w["config"]["backend"].update(device=7),
        lambda w: w["config"]["environment"].update(cpu_count="many"),
        lambda w: w["report"]["prefill"].update(memory={"unit": "GB", "max_ram": 1}),
        lambda w: w["report"].update(prefill="fast"),
    ],
)
def test_optimum_benchmark_nonsense(change: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(mutated(change)))
    refuses(path, "expected")
