"""The small random model through the real runtime: parity with PyTorch, fidelity, a whole bench."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.core.errors import JobError, OlivepressError, RecipeError, SetupError
from olivepress.measure.bench import Settings, bench
from olivepress.measure.latency.latency import LatencySpec, Workload
from olivepress.measure.proof.export import Proof
from olivepress.measure.quality.accuracy import greedy_answers
from olivepress.measure.quality.fidelity import ADAPTER_METRICS, ANSWER_METRICS, fidelity
from olivepress.measure.quality.reference_file import AnswerPart
from olivepress.measure.subject import Subject
from olivepress.measure.worker.host import run_child
from olivepress.report.device_report import measured, read_report
from olivepress.report.registry import METRICS
from olivepress.run.verify.export import ExportSpec, against_parent
from olivepress.runtimes.base import teacher_forced
from olivepress.runtimes.chat_template.model_config import eos_token_ids
from olivepress.runtimes.open import open_model
from tests.data.rows import row
from tests.synthetic import tiny

CELL = Workload(prompt_tokens=16, generated_tokens=8)


@pytest.fixture(scope="session")
def prompts() -> list[list[int]]:
    rng = np.random.default_rng(3)
    # 90 tokens take two appended chunks; short ones make the padding of a batch visible.
    return [rng.integers(5, 300, length).tolist() for length in (90, 3, 17, 40, 1, 64, 65)] + [
        [9, 0, 12, 0, 7]  # the pad id inside a prompt is a token like any other
    ]


@pytest.fixture(scope="session")
def reference(hf_model: Path, prompts: list[list[int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from olivepress.measure.quality.reference import write_reference

    return write_reference(hf_model, prompts, tmp_path_factory.mktemp("reference") / "parent")


def test_fp32_export_is_its_parent(fp32_model: Path, reference: Path, prompts: list[list[int]]) -> None:
    found = fidelity(fp32_model, reference)
    tokens = sum(len(p) for p in prompts)
    elsewhere = ("first_divergence", *ADAPTER_METRICS, *ANSWER_METRICS)
    assert {m.n for name, m in found.items() if name not in elsewhere} == {tokens}
    assert {found[name].reason for name in ("kl_answer", "kl_per_answer", "top1_answer")} == {
        "the reference has no answer tokens"
    }
    assert found["first_divergence"].n == len(prompts)
    assert found["first_divergence"].value == np.median([len(p) for p in prompts])  # none diverges
    assert found["max_abs_logit_diff"].value is not None and found["max_abs_logit_diff"].value < 1e-3
    assert found["kl_divergence"].value is not None and found["kl_divergence"].value < 1e-6
    assert found["kl_p999"].value is not None and found["kl_p999"].value < 1e-6
    assert found["kl_top256"].value is not None and found["kl_top256"].value < 1e-6
    assert found["top1_agreement"].value == 1.0


def test_the_tokens_of_answers_are_counted_apart(
    hf_model: Path, int4_model: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    """Against plain logits of both models: the answers' positions, the others, and only those that are kept."""
    import torch
    from transformers import AutoModelForCausalLM

    from olivepress.measure.quality.reference import write_logits, write_reference

    parts = [
        AnswerPart(start=70, supervised=tuple(range(70, 89)), first=60),  # a long prompt, kept around its answer
        AnswerPart(),  # no answer is known
        AnswerPart(start=9, supervised=(3, 4, 9, 10, 11)),  # two turns
    ]
    reference = write_reference(hf_model, prompts[:3], tmp_path / "reference", answers=parts)
    base = write_logits(hf_model, prompts[:3], tmp_path / "base", firsts=[part.first for part in parts])
    for index in range(3):
        (base / f"logits-{index:04d}.npy").rename(reference / f"base-{index:04d}.npy")
    assert [np.load(file).shape[0] for file in sorted(reference.glob("logits-*.npy"))] == [30, 3, 17]
    parent = AutoModelForCausalLM.from_pretrained(hf_model, dtype=torch.float32)
    answers, others = list[torch.Tensor](), list[torch.Tensor]()
    last = dict.fromkeys((0, 2), 0.0)  # row → the sum over its last answer
    for ids, part in zip(prompts[:3], parts, strict=True):
        with torch.inference_mode():
            p = parent(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        blocks = [torch.from_numpy(block) for _, block in teacher_forced(open_model(int4_model), ids)]
        q = torch.cat(blocks)[:, : p.shape[1]].log_softmax(-1)
        kl = torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1)
        for position in range(part.first, len(ids)):
            (answers if position in part.supervised else others).append(kl[position])
            if position in part.supervised and position >= part.start:
                last[prompts.index(ids)] += float(kl[position])
    found = fidelity(int4_model, reference)
    assert found["kl_answer"].value == pytest.approx(float(torch.stack(answers).mean()), rel=1e-4)
    assert found["kl_per_answer"].value == pytest.approx(sum(last.values()) / 2, rel=1e-4)
    assert found["kl_per_answer"].n == 2
    assert found["kl_prompt"].value == pytest.approx(float(torch.stack(others).mean()), rel=1e-4)
    assert found["kl_divergence"].value == pytest.approx(float(torch.stack(answers + others).mean()), rel=1e-4)
    assert (found["kl_answer"].n, found["kl_prompt"].n, found["kl_divergence"].n) == (24, 26, 50)
    assert found["top1_answer"].n == 24 and found["kl_top256_answer"].value < found["kl_answer"].value
    assert found["first_divergence"].n == 3 and "changes nothing" in str(found["adapter_kept"].reason)


def test_a_prompt_that_the_context_does_not_hold_is_left_out(
    hf_model: Path, int4_model: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    from olivepress.measure.quality.reference import write_reference

    both = write_reference(hf_model, prompts[:2], tmp_path / "both")
    short = write_reference(hf_model, prompts[1:2], tmp_path / "short")
    model = tmp_path / "model"
    shutil.copytree(int4_model, model)
    config = json.loads((model / "genai_config.json").read_text())
    config["model"]["context_length"] = config["search"]["max_length"] = 50
    (model / "genai_config.json").write_text(json.dumps(config))
    assert fidelity(model, both)["kl_divergence"] == fidelity(int4_model, short)["kl_divergence"]
    with pytest.raises(JobError, match="exceeds its context of 50 tokens"):
        fidelity(model, write_reference(hf_model, prompts[:1], tmp_path / "long"))


def test_int4_damage_is_seen_and_bounded_from_below(int4_model: Path, reference: Path) -> None:
    found = {name: m.value or 0.0 for name, m in fidelity(int4_model, reference).items()}
    assert found["kl_divergence"] > 0.01 and found["max_abs_logit_diff"] > 0.1
    assert 0.5 * found["kl_divergence"] < found["kl_top256"] <= found["kl_divergence"] + 1e-6
    assert found["kl_p999"] > found["kl_divergence"] > found["kl_p50"] and found["top1_agreement"] < 1.0


def test_on_the_device_only_the_top_is_known(int4_model: Path, reference: Path, tmp_path: Path) -> None:
    shutil.copy(reference / "reference.npz", tmp_path)
    found = fidelity(int4_model, tmp_path)
    desk = fidelity(int4_model, reference)
    assert found["kl_top256"] == desk["kl_top256"] and found["top1_agreement"] == desk["top1_agreement"]
    for name in ("kl_divergence", "kl_p999", "max_abs_logit_diff", *ADAPTER_METRICS):
        assert found[name].value is None and "kept on the build machine" in str(found[name].reason)


def test_the_fixture_is_not_just_fast_but_long_enough(reference: Path, prompts: list[list[int]]) -> None:
    files = sorted(reference.glob("logits-*.npy"))
    assert len(files) == len(prompts)
    assert np.load(files[0]).shape[0] == 90 and np.load(files[0]).dtype == np.float32


@pytest.mark.parametrize("damage", ["missing", "garbage", "format", "truncated"])
def test_a_bad_reference_is_refused(fp32_model: Path, reference: Path, tmp_path: Path, damage: str) -> None:
    if damage == "garbage":
        (tmp_path / "reference.npz").write_bytes(b"PK no")
    if damage == "format":
        with np.load(reference / "reference.npz") as data:
            np.savez(tmp_path / "reference.npz", **(dict(data) | {"format": np.int64(9)}))
    if damage == "truncated":
        (tmp_path / "reference.npz").write_bytes((reference / "reference.npz").read_bytes()[:-200])
    with pytest.raises(JobError, match=r"not a reference.*next: olivepress run"):
        fidelity(fp32_model, tmp_path)


def test_a_reference_with_an_adapter_is_that_of_the_merged_model(
    hf_model: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from olivepress.measure.quality.reference import write_reference

    base = AutoModelForCausalLM.from_pretrained(hf_model, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules=["qkv_proj", "o_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    tuned = get_peft_model(base, config)
    tuned.save_pretrained(tmp_path / "adapter")
    tuned.merge_and_unload().save_pretrained(tmp_path / "merged")
    write_reference(hf_model, prompts[:2], tmp_path / "a", adapter_dir=tmp_path / "adapter")
    write_reference(_with_tokenizer(tmp_path / "merged", hf_model), prompts[:2], tmp_path / "m")
    first, second = (np.load(tmp_path / name / "logits-0000.npy") for name in "am")
    assert np.abs(first - second).max() < 1e-3
    with np.load(tmp_path / "a" / "reference.npz") as data:
        assert data["vocab_size"] == first.shape[1] and data["top_ids"].shape == (93, 256)


def test_logits_computed_together_are_those_of_each_prompt_alone(hf_model: Path, tmp_path: Path) -> None:
    """Prompts of a length go through the model together, and the base's come from the load that has the adapter."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from olivepress.measure.quality.reference import write_logits

    base = AutoModelForCausalLM.from_pretrained(hf_model, dtype=torch.float32).eval()
    ids = [[5, 6, 7], [8, 9], [10, 11, 12], [13, 14, 15, 16], [17, 18, 19]]
    with torch.inference_mode():
        alone = [base(input_ids=torch.tensor([row])).logits[0].numpy() for row in ids]
    config = LoraConfig(r=4, target_modules=["qkv_proj", "o_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    tuned = get_peft_model(base, config).eval()
    tuned.save_pretrained(tmp_path / "adapter")
    with torch.inference_mode():
        adapted = [tuned(input_ids=torch.tensor([row])).logits[0].numpy() for row in ids]
    (tmp_path / "base").mkdir()
    write_logits(hf_model, ids, tmp_path / "a", adapter_dir=tmp_path / "adapter", base_folder=tmp_path / "base")
    for index, (of_base, of_tuned) in enumerate(zip(alone, adapted, strict=True)):
        assert np.abs(np.load(tmp_path / "base" / f"base-{index:04d}.npy") - of_base).max() < 1e-5
        assert np.abs(np.load(tmp_path / "a" / f"logits-{index:04d}.npy") - of_tuned).max() < 1e-5
        assert np.abs(of_base - of_tuned).max() > 1e-2
    assert len(list((tmp_path / "base").iterdir())) == len(list((tmp_path / "a").iterdir())) == len(ids)


@pytest.mark.parametrize(("most", "batches"), [(6, [[0, 2], [4], [1], [3]]), (1, [[0], [2], [4], [1], [3]])])
def test_prompts_of_a_length_up_to_so_many_tokens(most: int, batches: list[list[int]]) -> None:
    from olivepress.measure.quality.reference import _same_length

    ids = [[5, 6, 7], [8, 9], [10, 11, 12], [13, 14, 15, 16], [17, 18, 19]]
    assert list(_same_length(ids, most=most)) == batches


def test_an_export_without_its_adapter_is_told_from_a_coarse_one(
    hf_model: Path, int4_model: Path, prompts: list[list[int]], tmp_path: Path
) -> None:
    """In int4 both are far from the parent; the one that was made from the base has nothing of the adapter's shift."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from olivepress.measure.quality.reference import write_logits, write_reference

    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=10, target_modules=["qkv_proj", "o_proj", "down_proj"], init_lora_weights=False)
    tuned = get_peft_model(AutoModelForCausalLM.from_pretrained(hf_model, dtype=torch.float32), config)
    tuned.save_pretrained(tmp_path / "adapter")
    tuned.merge_and_unload().save_pretrained(tmp_path / "merged")
    merged, reference = _with_tokenizer(tmp_path / "merged", hf_model), tmp_path / "reference"
    write_reference(merged, prompts, reference)
    write_logits(hf_model, prompts, tmp_path / "tuned", adapter_dir=tmp_path / "adapter", base_folder=reference)
    good = tiny.export(merged, tmp_path / "int4", "int4", tmp_path / "cache")
    found = {name: fidelity(folder, reference) for name, folder in (("good", good), ("lost", int4_model))}
    spec = ExportSpec.model_construct(
        precision="int4", limit=5.0, min_top1=0.0, random_weights=False, reference_dir="m", has_adapter=True
    )
    for name, metrics in found.items():
        proof = Proof.model_construct(metrics=metrics, answers=1, same_answers=0)
        checks = {check.name: check for check in against_parent(spec, proof)}
        kept = metrics["adapter_kept"]
        assert checks["adapter_kept"].value == kept.value and checks["adapter_kept"].limit == 0.5
        assert checks["kl_divergence"].passed  # under a generous limit both pass: that alone does not tell
        assert checks["adapter_kept"].passed == (name == "good"), kept
        assert kept.n == sum(map(len, prompts)) and kept.ci_low is not None and kept.ci_high is not None
    assert (found["good"]["adapter_kept"].value or 0.0) > 0.8 and abs(found["lost"]["adapter_kept"].value or 1.0) < 0.2
    # Random weights that hardly moved: the noise is what is compared, so it is said and not judged.
    drowned = found["lost"] | {"adapter_noise": measured("adapter_noise", 7.0, n=3)}
    proof = Proof.model_construct(metrics=drowned, answers=1, same_answers=0)
    (told,) = (
        c for c in against_parent(spec.model_copy(update={"random_weights": True}), proof) if "adapter" in c.name
    )
    assert told.passed and told.limit is None and "7 times as large; not judged: random weights" in told.detail


def test_four_bits_as_bitsandbytes_and_olive_make_them(hf_model: Path, prompts: list[list[int]]) -> None:
    """The base that QLoRA trains on: its linear layers but the head hold nf4, and compute what nf4 by hand computes."""
    import bitsandbytes as bnb
    import torch

    from olivepress.recipe.methods import FourBit
    from olivepress.runtimes.pytorch import load_parent

    quantized, _ = load_parent(hf_model, four_bit=FourBit(compute_dtype="float32"))
    plain, _ = load_parent(hf_model)
    layers = {name: module for name, module in quantized.named_modules() if isinstance(module, bnb.nn.Linear4bit)}
    assert len(layers) == 8 and not any("lm_head" in name for name in layers)
    assert {(m.weight.quant_type, m.compute_dtype) for m in layers.values()} == {("nf4", torch.float32)}
    ids = torch.tensor([prompts[0]])
    with torch.inference_mode():
        before = plain(ids).logits
        for name, module in layers.items():
            whole = bnb.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain.get_submodule(name).weight.copy_(whole)
        ours = quantized(ids).logits
        assert (ours - before).abs().max() > 0.1
        assert torch.allclose(plain(ids).logits, ours, atol=1e-3)


def _with_tokenizer(folder: Path, hf_model: Path) -> Path:
    for file in hf_model.glob("*token*"):
        if not (folder / file.name).exists():
            shutil.copy(file, folder)
    return folder


def pytorch_answers(model_dir: Path, prompts: list[list[int]], tokens: int, *, batch_size: int = 16) -> list[list[int]]:
    from olivepress.measure.quality.parent_answers import greedy_by_index
    from olivepress.runtimes.pytorch import load_parent

    model, _ = load_parent(model_dir)
    answers = dict(greedy_by_index(model, model_dir, prompts, tokens, batch_size=batch_size))
    return [answers[index] for index in range(len(prompts))]


def test_greedy_tokens_equal_pytorch(hf_model: Path, fp32_model: Path, prompts: list[list[int]]) -> None:
    ours = greedy_answers(open_model(fp32_model), fp32_model, prompts, 24)
    parent = pytorch_answers(hf_model, prompts, 24, batch_size=4)
    assert ours == parent
    assert all(len(a) <= 24 and not set(a) & set(eos_token_ids(fp32_model)) for a in ours)
    assert any(len(a) == 24 for a in ours)


def test_every_eos_id_stops_both(hf_model: Path, fp32_model: Path, prompts: list[list[int]], tmp_path: Path) -> None:

    free = greedy_answers(open_model(fp32_model), fp32_model, prompts[:3], 12)
    second = free[0][4]  # declare a token that does come up to be a second EOS
    onnx, torch_dir = tmp_path / "onnx", tmp_path / "hf"
    shutil.copytree(fp32_model, onnx)
    shutil.copytree(hf_model, torch_dir)
    config = json.loads((onnx / "genai_config.json").read_text())
    config["model"]["eos_token_id"] = [config["model"]["eos_token_id"], second]
    (onnx / "genai_config.json").write_text(json.dumps(config))
    generation = json.loads((torch_dir / "generation_config.json").read_text())
    # Sampling advice of a model card must not change greedy answers either.
    generation |= {"eos_token_id": config["model"]["eos_token_id"], "repetition_penalty": 3.0}
    (torch_dir / "generation_config.json").write_text(json.dumps(generation))
    ours = greedy_answers(open_model(onnx), onnx, prompts[:3], 12)
    assert ours[0] == free[0][: free[0].index(second)]
    assert ours == pytorch_answers(torch_dir, prompts[:3], 12)


def test_the_context_limit(hf_model: Path, fp32_model: Path) -> None:
    nearly = [[7] * 250]  # the context holds 256
    ours = greedy_answers(open_model(fp32_model), fp32_model, nearly, 20)
    assert len(ours[0]) <= 6
    assert ours == pytorch_answers(hf_model, nearly, 20)
    with pytest.raises(JobError, match="do not fit its context of 256"):
        greedy_answers(open_model(fp32_model), fp32_model, [[7] * 256], 4)
    with pytest.raises(JobError, match="do not fit its context of 256"):
        pytorch_answers(hf_model, [[7] * 256], 4)


def test_a_trailing_pad_is_refused_not_ignored(fp32_model: Path) -> None:
    with pytest.raises(JobError, match="ends with the pad token 0"):
        greedy_answers(open_model(fp32_model), fp32_model, [[9, 0, 12, 0]], 4)


def test_tokenizers_agree(hf_model: Path, fp32_model: Path) -> None:
    from transformers import AutoTokenizer

    texts = ["<|user|>\nturn the lamp on<|end|>\n<|assistant|>\n", "  two spaces", 'héllo ✓ {"a": [1]}\n', ""]
    theirs = AutoTokenizer.from_pretrained(hf_model)(texts, add_special_tokens=False)["input_ids"]
    assert [open_model(fp32_model).encode(text) for text in texts] == theirs


def test_a_parent_without_weights_or_with_nan(hf_model: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from olivepress.catalog import count_parameters
    from olivepress.measure.quality.reference import write_reference

    with pytest.raises(RecipeError, match=r"no \*\.safetensors"):
        count_parameters(tmp_path)
    expected = sum(t.numel() for t in load_file(hf_model / "model.safetensors").values())
    assert count_parameters(hf_model) == expected
    broken = tmp_path / "nan"
    shutil.copytree(hf_model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(JobError, match="NaN or infinite logits"):
        write_reference(broken, [[5, 6]], tmp_path / "out")
    (broken / "model.safetensors").write_bytes(b"garbage")
    with pytest.raises(RecipeError, match="not a complete safetensors"):
        count_parameters(broken)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nan"]  # nothing half-written


def subject(model_dir: Path, **changes: Any) -> Subject:
    fields = {"runtime": "onnxruntime-genai", "recipe": "tiny", "job": "cpu-fp32", "artifact_sha256": "c" * 64}
    return Subject(model_dir=model_dir, **(fields | changes))


def test_a_whole_bench(fp32_model: Path, reference: Path, make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    question = "turn the lamp on"
    answer = _first_answer(fp32_model, question)
    folder = make_dataset([row(0, question, answer), row(1, question, "something else")])
    text = tmp_path / "text.txt"
    text.write_text("turn the lamp on and the other lamp off, then count the boxes\n" * 20)
    stages: list[tuple[str, str, int, int]] = []
    out = tmp_path / "out" / "cpu-fp32.json"
    (report,) = bench(
        {out: subject(fp32_model, reference_dir=reference, random_weights=True)},
        dataset_dir=folder,
        settings=Settings(
            workloads=(CELL, Workload(prompt_tokens=250, generated_tokens=128), Workload(generated_tokens=4)),
            rounds=2,
            repetitions=3,
            text=text,
        ),
        on_progress=lambda job, stage, done, total: stages.append((job, stage, done, total)),
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert read_report(out) == report
    assert set(report.metrics) == set(METRICS)  # each measured, or null with its reason
    assert all(m.value is not None or m.reason for m in report.metrics.values())
    assert report.metrics["exact_match"].value == 0.5
    assert report.metrics["kl_divergence"].value is not None
    assert report.headline_workload == "16x8" and report.random_weights
    for name in ("load_ms", "ttft_ms", "e2e_ms", "prefill_tps", "decode_tps", "peak_memory_bytes", "perplexity"):
        assert (report.metrics[name].value or 0) > 0, name
    first, second, own = report.workloads
    assert first.reason is None and second.metrics["ttft_ms"].value is None
    assert second.reason == "378 tokens exceed the model's context of 256"
    assert own.name == "datasetx4" and own.prompt_tokens > 4
    samples = [(s.round, s.repetition, len(s.step_ms)) for s in report.samples if s.workload == "16x8"]
    assert samples == [(r, i, 7) for r in (0, 1) for i in (0, 1, 2)]
    assert all(s.request_ttft_ms > s.ttft_ms for s in report.samples)
    # Every second round runs backwards.
    assert [p.workload for p in report.processes] == ["16x8", "datasetx4", "datasetx4", "16x8"]
    assert report.placement is not None and report.placement.asked == "CPUExecutionProvider"
    assert not report.placement.fallback and report.ceiling is not None
    assert report.metrics["roofline_fraction"].value == pytest.approx(
        report.metrics["bytes_per_token"].value * report.metrics["decode_tps"].value / report.ceiling.read_bytes_per_s
    )
    lines = [json.loads(line) for line in (out.parent / str(report.examples_file)).read_text().splitlines()]
    assert [(e["id"], e["correct"]) for e in lines] == [("r0", True), ("r1", False)]
    assert ("cpu-fp32", "answers", 2, 2) in stages and ("all", "latency", 4, 4) in stages
    assert str(tmp_path) not in out.read_text()  # a report names no folder of this machine
    assert not list(out.parent.glob(".*"))  # nothing of the bench session is left


def _first_answer(model_dir: Path, question: str) -> str:
    """What the random model says, cut before a token that would not survive decoding and encoding again."""
    from olivepress.data.store.examples import Example
    from olivepress.measure.quality.accuracy import measure_exported

    expected = "x" * 20
    messages = ({"role": "user", "content": question}, {"role": "assistant", "content": expected})
    examples, _ = measure_exported(model_dir, [Example(id="0", messages=messages, label=None)])
    return examples[0].output


def test_the_parent_is_measured_for_accuracy_only(
    hf_model: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    (report,) = bench(
        {tmp_path / "base.json": subject(hf_model, runtime="pytorch", job="base")},
        dataset_dir=make_dataset([row(i, "turn the lamp on", "no") for i in range(3)]),
        settings=Settings(limit=2),
    )
    assert report.metrics["exact_match"].n == 2 and report.dataset is not None and report.dataset.of == 3
    assert report.metrics["ttft_ms"].value is None
    assert report.metrics["ttft_ms"].reason == "the PyTorch parent is measured for accuracy only"
    assert report.metrics["size_on_disk_bytes"].value == sum(f.stat().st_size for f in hf_model.iterdir())


def test_a_cell_that_cannot_run_costs_only_itself(fp32_model: Path, tmp_path: Path) -> None:
    hungry = tmp_path / "hungry"
    shutil.copytree(fp32_model, hungry)
    # No template gives 16 tokens: this cell dies in its process, after the model was placed.
    (hungry / "chat_template.jinja").write_text("{{ raise_exception('no') }}")
    (report,) = bench({tmp_path / "r.json": subject(hungry)}, dataset_dir=None, settings=Settings(workloads=(CELL,)))
    assert report.metrics["ttft_ms"].value is None and "no" in str(report.workloads[0].reason)
    assert report.metrics["exact_match"].reason == "no dataset was given"
    assert report.headline_workload is None
    (emulated,) = bench(
        {tmp_path / "e.json": subject(fp32_model, emulated=True)},
        dataset_dir=None,
        settings=Settings(workloads=(CELL,)),
    )
    assert "emulated" in str(emulated.metrics["decode_tps"].reason)


def test_a_model_that_cannot_be_opened_fails_the_bench(fp32_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(fp32_model, broken)
    (broken / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(JobError):
        bench({tmp_path / "r.json": subject(broken)}, dataset_dir=None, settings=Settings(workloads=(CELL,)))
    assert not (tmp_path / "r.json").exists()


def test_a_fallback_to_the_cpu_fails_the_run(fp32_model: Path, tmp_path: Path) -> None:
    asked = {tmp_path / "r.json": subject(fp32_model, execution_provider="CUDAExecutionProvider", device="gpu")}
    with pytest.raises(
        JobError, match="requested CUDAExecutionProvider, the runtime placed nodes on the CPU"
    ) as caught:
        bench(asked, dataset_dir=None, settings=Settings(workloads=(CELL,), rounds=1))
    assert "--allow-fallback" in str(caught.value.next_step) and not (tmp_path / "r.json").exists()
    (report,) = bench(asked, dataset_dir=None, settings=Settings(workloads=(CELL,), rounds=1, allow_fallback=True))
    assert report.placement is not None and report.placement.fallback
    assert any("nodes ran on the CPU" in warning for warning in report.warnings)


def test_a_silent_fallback_in_the_runtime_is_told(fp32_model: Path) -> None:
    spec = LatencySpec(model_dir=fp32_model, workload=CELL, execution_provider="CUDAExecutionProvider")
    with pytest.raises(JobError, match="requested CUDAExecutionProvider, the runtime placed the model on the CPU"):
        run_child("latency", spec.model_dump(mode="json"))


def test_a_killed_bench_goes_on(fp32_model: Path, make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_dataset([row(i, "turn the lamp on", "no") for i in range(4)])
    out, settings = tmp_path / "r.json", Settings(workloads=(CELL,), rounds=4, repetitions=1)

    def kill(job: str, stage: str, done: int, total: int) -> None:
        if (stage, done) == ("latency", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench({out: subject(fp32_model)}, dataset_dir=folder, settings=settings, on_progress=kill)
    (session,) = tmp_path.glob(".bench-session-*")
    kept = {path.name: path.read_text() for path in session.glob("r/latency-*.json")}
    assert len(kept) == 3 and not out.exists()
    done_before = [json.loads(text)["samples"] for text in kept.values()]
    (report,) = bench({out: subject(fp32_model)}, dataset_dir=folder, settings=settings)
    found = [s.model_dump(mode="json") for s in report.samples]
    assert len(found) == 4 and all(sample in found for samples in done_before for sample in samples)
    assert any("resumed" in warning for warning in report.warnings) and not session.exists()
    # Another artifact does not take over what was measured of this one.
    with pytest.raises(KeyboardInterrupt):
        bench({out: subject(fp32_model)}, dataset_dir=folder, settings=settings, on_progress=kill)
    (other,) = bench({out: subject(fp32_model, artifact_sha256="d" * 64)}, dataset_dir=folder, settings=settings)
    assert not any("resumed" in warning for warning in other.warnings)


def test_two_artifacts_are_measured_interleaved(fp32_model: Path, int4_model: Path, tmp_path: Path) -> None:
    subjects = {tmp_path / "a.json": subject(fp32_model), tmp_path / "b.json": subject(int4_model, job="cpu-int4")}
    a, b = bench(subjects, dataset_dir=None, settings=Settings(workloads=(CELL,), rounds=2, repetitions=1))
    assert [p.order for p in a.processes] == [1, 4] and [p.order for p in b.processes] == [2, 3]
    assert a.bench_session == b.bench_session is not None
    assert a.ceiling == b.ceiling is not None  # of the same number of threads: measured once


def test_killed_late_nothing_is_measured_twice(
    fp32_model: Path, int4_model: Path, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    """Rounds of two benches must never be paired, so the first artifact's are kept until the last report is there."""
    folder = make_dataset([row(i, "turn the lamp on", "no") for i in range(2)])
    subjects = {tmp_path / "a.json": subject(fp32_model), tmp_path / "b.json": subject(int4_model, job="cpu-int4")}
    settings = Settings(workloads=(CELL,), rounds=2, repetitions=1)

    def kill(job: str, stage: str, done: int, total: int) -> None:
        if (job, stage) == ("cpu-int4", "answers"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(subjects, dataset_dir=folder, settings=settings, on_progress=kill)
    before = read_report(tmp_path / "a.json")
    a, b = bench(subjects, dataset_dir=folder, settings=settings)
    assert a.samples == before.samples and a.bench_session == b.bench_session == before.bench_session
    assert all(any("resumed" in warning for warning in report.warnings) for report in (a, b))
    assert not list(tmp_path.glob(".bench-session-*"))
    again, _ = bench(subjects, dataset_dir=folder, settings=settings)
    assert again.bench_session != a.bench_session and again.warnings != a.warnings
    # A report never stands beside the answers of the one before it.
    assert len(list(tmp_path.glob("a.*.examples.jsonl"))) == 1 and (tmp_path / str(again.examples_file)).is_file()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"workloads": (CELL, CELL)}, "workload 16x8 is given twice"),
        ({"text": Path("empty.txt")}, "empty.txt: the text is empty"),
        ({"text": Path("text.txt"), "text_window": 1000}, "a window of 1000 tokens"),
        ({"lm_eval": ("dataset",)}, "no dataset was given"),
        ({"lm_eval_tasks": Path()}, "--lm-eval-tasks without --lm-eval"),
        ({"lm_eval": ("x",), "lm_eval_tasks": Path("nowhere")}, "nowhere: no such folder"),
    ],
)
def test_what_late_stages_need_is_checked_before_anything_long(
    fp32_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text(" ")
    (tmp_path / "text.txt").write_text("the lamp")
    stages: list[str] = []
    settings = Settings(**({"workloads": (CELL,), "rounds": 1} | changes))
    with pytest.raises(OlivepressError, match=says):
        bench(
            {tmp_path / "r.json": subject(fp32_model)},
            dataset_dir=None,
            settings=settings,
            on_progress=lambda job, stage, *_: stages.append(stage),
        )
    assert not stages and not (tmp_path / "r.json").exists()


def test_a_bad_reference_or_task_is_found_before_the_rounds(fp32_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="the eval extra is not installed")
    stages: list[str] = []

    def on_progress(job: str, stage: str, done: int, total: int) -> None:
        stages.append(stage)

    settings, out = Settings(workloads=(CELL,), rounds=1), tmp_path / "r.json"
    with pytest.raises(JobError, match="not a reference"):
        bench(
            {out: subject(fp32_model, reference_dir=tmp_path)},
            dataset_dir=None,
            settings=settings,
            on_progress=on_progress,
        )
    settings = replace(settings, lm_eval=("nosuchtask",))
    with pytest.raises(SetupError, match="task nosuchtask: lm-eval has no task of this name"):
        bench({out: subject(fp32_model)}, dataset_dir=None, settings=settings, on_progress=on_progress)
    assert "latency" not in stages


def test_few_shot_answers_are_whole_or_not_given(hf_model: Path) -> None:
    from olivepress.data.store.examples import Example
    from olivepress.measure.quality.parent_answers import measure_pytorch
    from olivepress.runtimes.chat_template.model_config import ContextExceeded

    question = " ".join(["lamp"] * 60)
    messages = ({"role": "user", "content": question}, {"role": "assistant", "content": "on " * 200})
    rows = [Example(id="a", messages=messages, label=None)]
    assert [example.id for example in measure_pytorch(hf_model, rows)[0]] == ["a"]  # cut where the context ends
    with pytest.raises(ContextExceeded, match="more do not fit its context of 256"):
        measure_pytorch(hf_model, rows, whole=True)
