"""The graph that runs and the graph that is measured: the same weights, the same last logits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from olivepress.core.errors import JobError
from olivepress.measure.quality.accuracy import greedy_answers
from olivepress.run.last_position import write_last_position
from olivepress.runtimes.base import LanguageModel, teacher_forced
from olivepress.runtimes.open import load_runtime, open_model
from olivepress.runtimes.weights import decode_read_bytes

PROMPTS = [[9, 17, 4, 250, 33], [7], list(range(20, 110))]


@pytest.fixture(scope="session", params=["fp32_model", "int4_model"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("last") / "model"
    shutil.copytree(request.getfixturevalue(request.param), folder)
    before = {path.name: path.stat().st_size for path in folder.iterdir()}
    write_last_position(folder)
    added = {path.name for path in folder.iterdir()} - before.keys()
    assert added == {"last_position.onnx"} and (folder / "model.onnx").stat().st_size == before["model.onnx"]
    assert (folder / "last_position.onnx").stat().st_size < before["model.onnx.data"]  # the weights are not copied
    return folder


def logits(model: LanguageModel, ids: list[int]) -> np.ndarray:
    generation = model.generation(len(ids) + 1)
    generation.append(ids)
    return generation.logits()


def test_what_runs_has_the_last_logits_of_what_is_measured(both: Path) -> None:
    shipped, measured = load_runtime(both)(both), open_model(both)
    for ids in PROMPTS:
        some, all_of_them = logits(shipped, ids), logits(measured, ids)
        assert len(some) == 1 and len(all_of_them) == len(ids)
        assert np.abs(some[-1] - all_of_them[-1]).max() < 1e-4
        assert np.ptp(some[-1]) > 1  # no constant row
    assert greedy_answers(shipped, both, PROMPTS, 12) == greedy_answers(measured, both, PROMPTS, 12)
    assert sum(len(rows) for _, rows in teacher_forced(measured, PROMPTS[2])) == len(PROMPTS[2])
    with pytest.raises(JobError, match="logits of shape"):
        list(teacher_forced(shipped, PROMPTS[2]))


@pytest.mark.parametrize("lengths", [(7, 3), (2, 9, 5)])
def test_each_row_of_a_batch_has_its_own_last_token(both: Path, lengths: tuple[int, ...]) -> None:
    import onnxruntime_genai as og

    plain = og.Config(str(both))
    plain.overlay(json.dumps({"model": {"decoder": {"filename": "model.onnx"}}}))
    texts = ["the blue town " * length for length in lengths]

    def answers(model: og.Model) -> list[list[int]]:
        tokenizer, params = og.Tokenizer(model), og.GeneratorParams(model)
        params.set_search_options(do_sample=False, max_length=60, min_length=60, batch_size=len(texts))
        generator = og.Generator(model, params)
        generator.append_tokens(tokenizer.encode_batch(texts))
        while not generator.is_done():
            generator.generate_next_token()
        return [list(generator.get_sequence(row)) for row in range(len(texts))]

    assert answers(og.Model(og.Config(str(both)))) == answers(og.Model(plain))


@pytest.mark.parametrize(("mask", "expected"), [
    ([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], [4, 1, 4]),  # a whole prompt, padded on the right, the left
    ([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 1]], [4, 2, 4]),  # two tokens are cached
])  # fmt: skip
def test_the_last_token_is_the_masks(mask: list[list[int]], expected: list[int], tmp_path: Path) -> None:
    import onnxruntime

    write_graph(tmp_path / "model", [])
    write_last_position(tmp_path / "model")
    hidden = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "model" / "last_position.onnx"))
    (found,) = session.run(["logits"], {"hidden": hidden, "attention_mask": np.array(mask, dtype=np.int64)})
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert found.shape == (3, 1, 3)
    assert np.allclose(found[:, 0], hidden[range(3), expected] @ weights, atol=1e-5)


def test_a_token_reads_the_same_weights(both: Path, tmp_path: Path) -> None:
    config = json.loads((both / "genai_config.json").read_text())
    assert config["model"]["decoder"]["filename"] == "last_position.onnx"
    plain = tmp_path / "plain"
    shutil.copytree(both, plain)
    config["model"]["decoder"]["filename"] = "model.onnx"
    (plain / "genai_config.json").write_text(json.dumps(config))
    some, others = decode_read_bytes(both), decode_read_bytes(plain)
    assert 0 <= some - others <= 16  # two numbers of the index


CHAINS = {
    "nothing": [],
    "softcap": [("Div", ["head_out", "two"]), ("Tanh", ["Div"]), ("Mul", ["Tanh", "two"])],
    "scale and mask": [("Mul", ["head_out", "two"]), ("Where", ["mask", "two", "Mul"])],
    "cast": [("Cast", ["head_out"])],
}


def write_graph(folder: Path, chain: list[tuple[str, list[str]]], head: str = "MatMul") -> None:
    """hidden [batch, tokens, 4] → head → the operators of ``chain`` → logits [batch, tokens, 3]."""
    steps = [(head, ["hidden", "weights"], "head_out"), *((kind, inputs, kind) for kind, inputs in chain)]
    steps[-1] = (*steps[-1][:2], "logits")
    nodes = [
        helper.make_node(kind, inputs, [out], **({"to": TensorProto.FLOAT} if kind == "Cast" else {}))
        for kind, inputs, out in steps
    ]
    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "g",
        [
            helper.make_tensor_value_info("hidden", float32, ["batch", "tokens", 4]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "all"]),
        ],
        [helper.make_tensor_value_info("logits", float32, ["batch", "tokens", 3])],
        [
            helper.make_tensor("weights", float32, [4, 3], np.arange(12, dtype=np.float32)),
            helper.make_tensor("two", float32, [1], [2.0]),
            helper.make_tensor("mask", TensorProto.BOOL, [1], [False]),
        ],
    )  # fmt: skip
    folder.mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, str(folder / "model.onnx"))
    (folder / "genai_config.json").write_text('{"model": {"decoder": {"filename": "model.onnx"}}}')


@pytest.mark.parametrize("chain", CHAINS)
def test_the_head_is_found_behind_what_may_follow_it(chain: str, tmp_path: Path) -> None:
    import onnxruntime

    write_graph(tmp_path / "model", CHAINS[chain])
    write_last_position(tmp_path / "model")
    hidden = np.random.default_rng(0).normal(size=(1, 5, 4)).astype(np.float32)
    feeds = {"hidden": hidden, "attention_mask": np.ones((1, 5), dtype=np.int64)}
    found = [
        onnxruntime.InferenceSession(str(tmp_path / "model" / name)).run(["logits"], feeds)[0]
        for name in ("last_position.onnx", "model.onnx")
    ]
    assert found[0].shape == (1, 1, 3) and np.allclose(found[0][:, 0], found[1][:, -1])


def test_without_a_head_nothing_is_written(tmp_path: Path) -> None:
    write_graph(tmp_path / "model", [("Softmax", ["head_out"])])
    with pytest.raises(JobError, match=r"its logits do not come from a MatMul.*next: remove last_logits"):
        write_last_position(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["genai_config.json", "model.onnx"]
