"""lm-evaluation-harness on the tiny model. What needs the harness is skipped without it; the rest always runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from olivepress.core.errors import DataError, JobError, SetupError
from olivepress.measure.quality import lm_eval_tasks
from olivepress.measure.quality.lm_eval_tasks import run_lm_eval, task_from_dataset
from olivepress.runtimes.chat_template.prompts import render_prompt
from tests.data.rows import row

CPU = "CPUExecutionProvider"


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="lm-eval is not installed (the eval extra)")
    pytest.importorskip("onnxruntime_genai", reason="onnxruntime-genai is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")


def labelled(number: int, question: str, answer: str) -> dict[str, object]:
    return row(number, question, answer) | {"label": answer}


MOODS = [labelled(n, f"mood {n}", answer) for n, answer in enumerate(("sad", "happy", "calm", "sad", "happy", "sad"))]


def log_likelihood(model_dir: Path, prompt: str, completion: str) -> float:
    """By hand: the runtime's logits for prompt + completion, summed over the completion's tokens."""
    import onnxruntime_genai as og
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model_dir))
    # The harness scores the white space at the prompt's end with the completion.
    start = len(tokenizer.encode(prompt.rstrip(), add_special_tokens=False))
    tokens = tokenizer.encode(prompt + completion, add_special_tokens=False)
    model = og.Model(str(model_dir))
    parameters = og.GeneratorParams(model)
    parameters.set_search_options(max_length=len(tokens))
    generator = og.Generator(model, parameters)
    generator.append_tokens(np.asarray(tokens, dtype=np.int32))
    logits = np.asarray(generator.get_output("logits"), dtype=np.float64)[0]
    logs = (
        logits
        - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - logits.max(-1, keepdims=True)
    )
    return float(sum(logs[at - 1, tokens[at]] for at in range(start, len(tokens))))


def test_multiple_choice_is_what_the_logits_say(
    harness: None, fp32_model: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    task = task_from_dataset(make_dataset(MOODS), tmp_path / "tasks", "moods", model_dir=fp32_model)
    found = run_lm_eval(fp32_model, ["moods"], include_path=task.parent, limit=None, execution_provider=CPU)
    documents = [json.loads(line) for line in (task.parent / "moods.jsonl").read_text().splitlines()]
    picks = [
        int(np.argmax([log_likelihood(fp32_model, d["prompt"], choice) for choice in d["choices"]])) for d in documents
    ]
    hits = sum(pick == d["answer"] for pick, d in zip(picks, documents, strict=True))
    accuracy = found["moods/acc"]
    assert accuracy.value == pytest.approx(hits / 6)
    assert (accuracy.unit, accuracy.n) == ("ratio", 6)
    # The harness's standard error is that of the sample's mean: sqrt(p (1 - p) / (n - 1)).
    share = hits / 6
    half = 1.96 * (share * (1 - share) / 5) ** 0.5
    assert accuracy.ci_low == pytest.approx(max(0, share - half), abs=1e-4)
    assert accuracy.ci_high == pytest.approx(min(1, share + half), abs=1e-4)


def test_generated_answers_are_compared_with_the_expected_ones(
    harness: None, fp32_model: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [row(n, f"question {n}", "[1, 2]") for n in range(3)]
    task = task_from_dataset(make_dataset(rows), tmp_path / "tasks", "lists", model_dir=fp32_model)
    found = run_lm_eval(fp32_model, ["lists"], include_path=task.parent, limit=2, execution_provider=CPU)
    assert found["lists/exact_match"].value == 0.0  # a random model does not answer a JSON list
    assert (found["lists/exact_match"].n, found["lists/exact_match"].unit) == (2, "ratio")


def test_the_harness_hears_the_models_own_answer(
    harness: None, fp32_model: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """The model's greedy answer to the first question as its expected answer: one of two is right."""
    from lm_eval.models.onnxruntime_genai import ONNXRuntimeGenAILM

    rows = [row(n, f"question {n}", "never said") for n in range(2)]
    task = task_from_dataset(make_dataset(rows), tmp_path / "tasks", "own", model_dir=fp32_model)
    file = task.parent / "own.jsonl"
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    model = ONNXRuntimeGenAILM(pretrained=str(fp32_model), execution_provider="cpu")
    tokens = model._generate(model.tok_encode(documents[0]["prompt"]), {"max_gen_toks": lm_eval_tasks.ANSWER_TOKENS})
    documents[0]["answer"] = model.tok_decode(tokens).strip()
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    found = run_lm_eval(fp32_model, ["own"], include_path=task.parent, limit=None, execution_provider=CPU)
    assert found["own/exact_match"].value == 0.5


def test_a_task_whose_data_set_is_not_there(harness: None, fp32_model: Path, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(
        yaml.safe_dump(
            {
                "task": "far", "dataset_path": "nobody-at-all/nothing", "test_split": "test",
                "doc_to_text": "a", "doc_to_target": "b", "output_type": "multiple_choice", "doc_to_choice": ["a", "b"],
            }
        )
    )  # fmt: skip
    with pytest.raises(SetupError, match="task far: its data set cannot be loaded") as caught:
        run_lm_eval(fp32_model, ["far"], include_path=tmp_path, limit=None, execution_provider=CPU)
    assert "--lm-eval-tasks" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_group_and_a_prompt_beyond_the_context(
    harness: None, fp32_model: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "tasks"
    task_from_dataset(make_dataset(MOODS), folder, "moods", model_dir=fp32_model)
    task_from_dataset(make_dataset([row(0, "lamp " * 400, "x")]), folder, "long", model_dir=fp32_model)
    mean = {"metric": "acc", "aggregation": "mean", "weight_by_size": True}
    group = {"group": "all_moods", "task": ["moods"], "aggregate_metric_list": [mean]}
    (folder / "all_moods.yaml").write_text(yaml.safe_dump(group))
    found = run_lm_eval(fp32_model, ["all_moods"], include_path=folder, limit=None, execution_provider=CPU)
    assert found["all_moods/acc"].value == pytest.approx(found["moods/acc"].value)
    assert found["all_moods/acc"].n == found["moods/acc"].n == 6
    with pytest.raises(JobError, match="lm-eval failed in long"):
        run_lm_eval(fp32_model, ["long"], include_path=folder, limit=None, execution_provider=CPU)


@pytest.mark.parametrize(
    ("tasks", "limit", "provider", "says"),
    [
        (["no_such_task"], None, CPU, "task no_such_task: lm-eval has no task of this name"),
        ([], None, CPU, "no task was named"),
        (["moods"], 0, CPU, "a limit of 0"),
        (["moods"], None, "NoExecutionProvider", "cannot be loaded on NoExecutionProvider"),
    ],
)
def test_what_cannot_be_run(
    harness: None,
    fp32_model: Path,
    make_dataset: Callable[..., Path],
    tmp_path: Path,
    tasks: list[str],
    limit: int | None,
    provider: str,
    says: str,
) -> None:
    task = task_from_dataset(make_dataset(MOODS), tmp_path / "tasks", "moods", model_dir=fp32_model)
    with pytest.raises(SetupError, match=says) as caught:
        run_lm_eval(fp32_model, tasks, include_path=task.parent, limit=limit, execution_provider=provider)
    assert "\n" not in str(caught.value)


def test_without_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lm_eval", None)
    with pytest.raises(SetupError, match=r"pip install 'olivepress\[eval\]'"):
        run_lm_eval(tmp_path, ["arc_easy"], include_path=None, limit=None, execution_provider=CPU)


def test_task_files(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    model_dir = tmp_path / "model"
    model_dir.mkdir()
    (model_dir / "chat_template.jinja").write_text(
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    file = task_from_dataset(make_dataset(MOODS), tmp_path / "tasks", "moods", model_dir=model_dir)
    task = yaml.safe_load(file.read_text())
    assert (task["task"], task["output_type"]) == ("moods", "multiple_choice")
    assert Path(task["dataset_kwargs"]["data_files"]["test"]) == (tmp_path / "tasks" / "moods.jsonl").resolve()
    first = json.loads((tmp_path / "tasks" / "moods.jsonl").read_text().splitlines()[0])
    assert first == {
        "id": "r0",
        "prompt": render_prompt(model_dir, MOODS[0]["messages"]).prefix,  # type: ignore[arg-type]
        "choices": ["calm<end>", "happy<end>", "sad<end>"],
        "answer": 2,
    }
    assert first["prompt"] == "<user>mood 0<end><assistant>"


@pytest.mark.parametrize(
    "rows",
    [
        [row(0, "q", " [1] "), row(1, "r", "b")],  # no labels
        [labelled(0, "q", "a"), row(1, "r", "b")],  # one row without
        [labelled(0, "q", "a"), labelled(1, "r", "a")],  # one class is no choice
        [labelled(0, "q", "a") | {"label": "x"}, labelled(1, "r", "a")],  # two labels, one answer
        [labelled(0, "q", "a"), labelled(1, "r", "b") | {"label": "a"}],  # one label, two answers
    ],
)
def test_without_one_answer_per_label_the_answer_is_generated(
    rows: list[dict[str, object]], make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    file = task_from_dataset(make_dataset(rows), tmp_path / "tasks", "t", model_dir=tmp_path)
    task = yaml.safe_load(file.read_text())
    assert (task["output_type"], task["generation_kwargs"]["until"]) == ("generate_until", [])
    assert task["doc_to_target"] == "answer"
    assert os.path.isabs(task["dataset_kwargs"]["data_files"]["test"])  # noqa: PTH117


@pytest.mark.parametrize("name", ["", "../up", "a b", "a/b", "-x", "a\n"])
def test_names_that_are_no_task_names(name: str, make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected letters, digits"):
        task_from_dataset(make_dataset(MOODS), tmp_path / "tasks", name, model_dir=tmp_path)


OUTPUT = {
    "results": {
        "arc": {
            "alias": "arc", "acc,none": 0.5, "acc_stderr,none": 0.1, "acc_norm,none": 0.99, "acc_norm_stderr,none": 0.1,
        },
        "gsm": {"exact_match,strict": 0.25, "exact_match_stderr,strict": "N/A", "exact_match,loose": 0.5},
        "wiki": {"word_perplexity,none": 12.0, "word_perplexity_stderr,none": float("nan"), "bleu,none": float("inf")},
        "both": {"acc,none": 0.5, "acc_stderr,none": 0.05},
        "sure": {"acc,none": 1.0, "acc_stderr,none": 0.0},
    },
    "n-samples": {
        "arc": {"original": 9, "effective": 9}, "gsm": {"original": 4, "effective": 4},
        "wiki": {"original": 5, "effective": 5}, "sure": {"original": 3, "effective": 3},
    },
    "group_subtasks": {"both": ["arc", "gsm"]},
}  # fmt: skip


def test_results_become_measurements() -> None:
    found = lm_eval_tasks._measurements(OUTPUT)
    assert sorted(found) == [
        "arc/acc", "arc/acc_norm", "both/acc", "gsm/exact_match,loose", "gsm/exact_match,strict", "sure/acc",
        "wiki/bleu", "wiki/word_perplexity",
    ]  # fmt: skip
    accuracy = found["arc/acc"]
    assert (accuracy.value, accuracy.n, accuracy.unit) == (0.5, 9, "ratio")
    assert (accuracy.ci_low, accuracy.ci_high) == (pytest.approx(0.304, abs=1e-4), pytest.approx(0.696, abs=1e-4))
    assert found["arc/acc_norm"].ci_high == 1.0
    assert found["gsm/exact_match,strict"].ci_low is None
    assert (found["wiki/word_perplexity"].unit, found["wiki/word_perplexity"].ci_low) == ("1", None)
    assert found["wiki/bleu"].reason
    assert found["both/acc"].n == 9  # of its tasks only arc has acc
    assert (found["sure/acc"].n, found["sure/acc"].ci_low) == (3, None)
