"""Public reports of models that ran code or read files of whoever opened them, tried against olivepress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.core.errors import DataError, OlivepressError, ReportError
from olivepress.data.store.examples import Message
from olivepress.runtimes.artifact_safety import check_artifact
from olivepress.runtimes.chat_template.prompts import render_question
from tests.runtimes.test_artifact_safety import folder, model, proto, settings, tensor

QUESTION: list[Message] = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    "attack",
    [
        '{{ lipsum.__globals__["os"].system("touch ran") }}',
        '{{ cycler.__init__.__globals__.os.system("touch ran") }}',
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        '{{ (messages|attr("__class__")).__base__ }}',
        '{% set x = messages.append({}) %}{{ "%s"|format(messages.__init__.__globals__) }}',
    ],
)
def test_chat_templates_reach_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str) -> None:
    """CVE-2026-5760 of SGLang, CVE-2024-34359 of llama-cpp-python: a chat template rendered without a sandbox."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(attack)
    with pytest.raises(DataError):
        render_question(tmp_path, QUESTION)
    assert not (tmp_path / "ran").exists()


def test_external_data_behind_a_link(tmp_path: Path) -> None:
    """CVE-2026-27489 of onnx: external data whose name is plain, and a link to a file elsewhere."""
    (tmp_path / "secret").write_bytes(b"key!")
    inside = tmp_path / "artifact"
    inside.mkdir()
    (inside / "weights.data").symlink_to(tmp_path / "secret")
    folder(inside, **{"model.onnx": model(proto(5, tensor("weights.data")))})
    with pytest.raises(ReportError, match=r"weights\.data is a link that leads out"):
        check_artifact(inside)


@pytest.mark.parametrize("library", ["libevil.so", "evil", "./evil.so", "/tmp/evil.so", "C:evil.dll"])
def test_custom_operators_from_the_working_directory(tmp_path: Path, library: str) -> None:
    """onnxruntime-genai's pull requests 2222 and 2267: custom_ops_library was looked for in the working directory."""
    with pytest.raises(ReportError, match="custom_ops_library"):
        check_artifact(folder(tmp_path, settings({"custom_ops_library": library})))


def test_code_that_a_models_config_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2026-5843 of mlx-lm (model_file), and transformers' own auto_map: Python files beside the weights."""
    pytest.importorskip("transformers")
    from olivepress.workflow.olive_plugin.supervision import supervise

    monkeypatch.chdir(tmp_path)
    code = "from pathlib import Path\nPath('ran').write_text('x')\nclass Evil: ...\n"
    for name in ("evil.py", "tokenization_evil.py", "configuration_evil.py"):
        (tmp_path / name).write_text(code)
    named = {"AutoConfig": "configuration_evil.Evil", "AutoTokenizer": ["tokenization_evil.Evil", None]}
    config = {"model_type": "evil", "model_file": "evil.py", "auto_map": named}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Evil", "auto_map": named}))
    with pytest.raises((OlivepressError, ValueError, OSError)):
        supervise([], str(tmp_path), max_length=8)
    assert not (tmp_path / "ran").exists()
