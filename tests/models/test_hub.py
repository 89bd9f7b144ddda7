"""A model of the Hub by its config.json: which commit, what is asked of the Hub, and what it may answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import OlivepressError, RecipeError, SetupError
from olivepress.core.hub import fetch, local_directory
from olivepress.core.layout import HUB_COMMITS
from olivepress.models.hub import hub_commit, hub_model, is_hub_id, upstream_commit
from tests.models.published import PUBLISHED, config_json
from tests.models.stand_in_hub import TOKEN, Repository, StandInHub, commit

QWEN, PHI = "Qwen/Qwen3-14B", "microsoft/phi-4"


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils._http import reset_sessions

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    reset_sessions()


def test_the_config_alone_is_fetched_once_and_its_commit_kept(
    hub: StandInHub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories[QWEN] = Repository.of({**config_json(QWEN), "model.safetensors": b"weights", "README.md": b"text"})
    first = hub_model(QWEN, None)
    assert first.commit == commit(1) and first.config == PUBLISHED[QWEN][0]
    assert {path.rpartition("/")[2] for path in hub.paths()} == {"main", "config.json"}
    assert json.loads(HUB_COMMITS.read_text()) == {QWEN: {"main": commit(1)}}
    hub.asked.clear()
    offline(monkeypatch)
    assert hub_model(QWEN, None) == hub_model(QWEN, commit(1)) == first and hub.asked == []


def test_a_branch_that_moves_is_followed_only_when_the_user_says_so(hub: StandInHub, project: Path) -> None:
    changed = config_json(QWEN, rope_theta=5_000_000)
    hub.repositories[QWEN] = repository = Repository.of(config_json(QWEN))
    repository.branches["next/try"] = commit(1)
    assert hub_commit(QWEN, None) == hub_commit(QWEN, "next/try") == commit(1)
    repository.commits[commit(2)] = changed
    repository.branches |= {"main": commit(2), "next/try": commit(2)}
    assert hub_model(QWEN, None).config["rope_theta"] == hub_model(QWEN, "next/try").config["rope_theta"] == 1_000_000
    assert upstream_commit(QWEN, "main") == commit(2)
    assert hub_model(QWEN, commit(2)).config["rope_theta"] == 5_000_000
    HUB_COMMITS.write_text("{}")
    assert hub_model(QWEN, None).config["rope_theta"] == 5_000_000


@pytest.mark.parametrize("text", ["{", "[]", '{"a/b": {"main": "abc"}}', '{"a/b": 3}', '{"a/b": {"main": null}}'])
def test_damaged_commits_are_not_replaced_by_newer_ones(hub: StandInHub, project: Path, text: str) -> None:
    HUB_COMMITS.parent.mkdir()
    HUB_COMMITS.write_text(text)
    with pytest.raises(RecipeError, match=r"models/hub\.json"):
        hub_commit(QWEN, None)
    assert HUB_COMMITS.read_text() == text and hub.asked == []


def test_what_is_in_the_cache_is_enough_where_the_hub_cannot_be_asked(
    hub: StandInHub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import hf_hub_download

    hub.repositories[QWEN] = Repository.of(config_json(QWEN))
    hf_hub_download(QWEN, "config.json")  # what `hf download Qwen/Qwen3-14B config.json` does
    offline(monkeypatch)
    assert hub_model(QWEN, None).commit == commit(1)
    with pytest.raises(SetupError) as caught:
        hub_model(QWEN, "v2")
    assert str(caught.value).endswith(
        "the Hub cannot be reached (offline mode is enabled by HF_HUB_OFFLINE); "
        f"next: with a network: hf download {QWEN} config.json --revision v2"
    )


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"access": "gated"}, SetupError, "a gated model, and this machine has no access to it; next: accept its li"),
        ({"access": "private"}, RecipeError, "not on the Hub, or private .* hf auth login, or set HF_TOKEN"),
        (
            {"access": "down"},
            SetupError,
            r"the Hub cannot be reached \(it answers 503\); next: with a network: hf down",
        ),
        ({"claimed_size": 2**34}, RecipeError, "config.json is 17,179,869,184 bytes, expected at most 16,777,216"),
        ({"files": {"model.gguf": b""}}, RecipeError, "no config.json in it, expected a Transformers model"),
        ({"branches": {"main": "../../x"}}, SetupError, "names '../../x' as its commit, expected 40 hexadecimal"),
        ({"branches": {}}, RecipeError, "no revision 'main' on the Hub; next: correct model.revision"),
    ],
)
def test_what_the_hub_does_not_give(
    hub: StandInHub, project: Path, settings: dict[str, Any], kind: type[OlivepressError], says: str
) -> None:
    files = settings.pop("files", config_json(QWEN))
    branches = settings.pop("branches", {"main": commit(1)})
    hub.repositories[QWEN] = Repository(commits={commit(1): files, "../../x": files}, branches=branches, **settings)
    with pytest.raises(kind, match=says) as caught:
        hub_model(QWEN, None)
    assert len(str(caught.value).splitlines()) == 1 and not HUB_COMMITS.exists()
    assert not any(method == "GET" and "/resolve/" in path for method, path, _ in hub.asked)


@pytest.mark.parametrize("access", ["gated", "private"])
def test_a_token_opens_what_is_not_public_and_is_written_nowhere(
    hub: StandInHub, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, access: str
) -> None:
    hub.repositories[PHI] = Repository.of(config_json(PHI), access=access)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub_model(PHI, None).config["model_type"] == "phi3"
    assert {token for _, _, token in hub.asked} == {f"Bearer {TOKEN}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(TOKEN.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("token", "says"), [("hf_without_access", "a gated model"), ("typo", r"refuses access \(401\)")]
)
def test_a_token_that_opens_nothing(
    hub: StandInHub, project: Path, monkeypatch: pytest.MonkeyPatch, token: str, says: str
) -> None:
    hub.repositories[PHI] = Repository.of(config_json(PHI), access="gated")
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(SetupError, match=f"{says}.*hf auth login, or set HF_TOKEN") as caught:
        hub_model(PHI, None)
    assert token not in str(caught.value)


def test_run_has_the_same_reasons(hub: StandInHub, project: Path) -> None:
    hub.repositories[PHI] = Repository.of(config_json(PHI), access="gated")
    hub.repositories[QWEN] = Repository.of(config_json(QWEN))
    with pytest.raises(SetupError, match="a gated model, and this machine has no access to it; next: accept"):
        fetch(PHI, None, ["config.json"])
    with pytest.raises(RecipeError, match="no revision 'v3' on the Hub"):
        fetch(QWEN, "v3", ["config.json"])
    with pytest.raises(RecipeError, match="not on the Hub, or private"):
        fetch("nobody/nothing", None, ["config.json"])


def test_redirects_are_followed_and_no_token_goes_to_another_host(
    hub: StandInHub, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["microsoft/phi-4-new"] = Repository.of(config_json(PHI), on_another_host=True)
    hub.repositories[PHI] = Repository.of({}, moved_to="microsoft/phi-4-new")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub_model(PHI, None).config["hidden_size"] == 5120
    [(path, token)] = [(path, token) for _, path, token in hub.asked if path.startswith("/cdn/")]
    assert token is None, path


def test_a_config_alone_is_no_model(hub: StandInHub, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories[QWEN] = Repository.of({**config_json(QWEN), "tokenizer.json": b"{}"})
    model = hub_model(QWEN, None)
    with pytest.raises(OlivepressError, match="not in the Hub cache of this machine"):
        local_directory(QWEN, model.commit)
    with monkeypatch.context() as patch:
        offline(patch)
        with pytest.raises(OlivepressError, match=r"only its config\.json is here, and the Hub cannot be reached"):
            fetch(QWEN, model.commit, ["tokenizer.json"])
    from huggingface_hub.utils._http import reset_sessions

    reset_sessions()
    folder = fetch(QWEN, model.commit, ["tokenizer.json"])
    assert folder == local_directory(QWEN, model.commit) and folder.name == commit(1)


def test_what_is_a_hub_id(project: Path) -> None:
    (project / "models").mkdir()
    assert is_hub_id(QWEN) and is_hub_id("a/b.c-d_e")
    for text in (
        "phi",
        "models/typo",
        "./x",
        "a/b/c",
        "/a/b",
        "a/..b",
        "a/b..c",
        "../b",
        "a/",
        "a\\b/c",
        "-a/b",
        "a b/c",
    ):
        assert not is_hub_id(text), text
