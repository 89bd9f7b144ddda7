"""New training rows: at the stated rates, from known parents, never into held-out splits, held-out rows untouched."""

from __future__ import annotations

import difflib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olivepress.core.errors import DataError
from olivepress.data.build import prepare_files
from olivepress.data.derive.augment import augment, noisy, read_table, read_templates, table_maker, template_maker
from olivepress.data.derive.endpoint import Endpoint, back_translator, paraphraser
from olivepress.data.derive.mixing import mix, replay, shares_of
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.find import describe
from tests.data.planted import clean_rows, read_jsonl, write_jsonl


def dataset(folder: Path, rows: list[dict[str, Any]], name: str = "mine", seed: int = 0) -> Dataset:
    policy = Policy(languages=False, seed=seed)
    return prepare_files([str(write_jsonl(folder / f"{name}.jsonl", rows))], policy, name=name)


def lineage(made: Dataset) -> dict[str, dict[str, Any]]:
    assert made.files is not None
    return {entry["id"]: entry for entry in read_jsonl(made.files / "lineage.jsonl")}


def held_out(made: Dataset) -> list[list[Any]]:
    return [list(made.splits[split]) for split in ("validation", "test")]


def test_variations_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    table.write_text('"Co mówi prawo o": ["Jakie przepisy regulują", "Co w prawie jest o"]\n')
    rows = [{"prompt": f"Co mówi prawo o {r['prompt'][7:]}", "completion": r["completion"]} for r in clean_rows(50)]
    parent = dataset(tmp_path, [*rows, *clean_rows(50, seed=9)])
    made = augment(parent, [("table", table_maker(read_table(table)))], name="more")
    before, after = list(parent.splits["train"]), list(made.splits["train"])
    asked = [example for example in before if example.prompt.startswith("user: Co mówi")]
    assert after[: len(before)] == before and len(after) == len(before) + 2 * len(asked)
    assert held_out(made) == held_out(parent)
    origins, parents = lineage(made), {example.id: example for example in before}
    for example in after[len(before) :]:
        origin = origins[example.id]
        assert origin["made_by"] == "table" and origin["file"] == "mine.jsonl"
        assert parents[origin["parent"]].answer == example.answer
    assert made.facts["parents"] == [{"name": "mine", "version": parent.version}]


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_noise_is_at_its_rate(tmp_path: Path, rate: float) -> None:
    parent = dataset(tmp_path, clean_rows(100))
    made = augment(parent, [("noise", noisy(rate))], name="noisy")
    before = {example.id: example for example in parent.splits["train"]}
    origins, new = lineage(made), [e for e in made.splits["train"] if e.id not in before]
    assert len(new) == len(before)
    letters = errors = 0
    for example in new:
        old = before[origins[example.id]["parent"]].messages[0]["content"]
        letters += sum(map(str.isalpha, old))
        matcher = difflib.SequenceMatcher(None, old, example.messages[0]["content"], autojunk=False)
        errors += sum(max(b - a, d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal")
    assert abs(errors / letters - rate) < 0.35 * rate  # a row has a whole number of errors
    assert augment(parent, [("noise", noisy(rate))], name="noisy").version == made.version
    assert augment(parent, [("noise", noisy(rate))], name="noisy", seed=1).version != made.version


def test_templates_and_their_file(tmp_path: Path) -> None:
    path = tmp_path / "templates.json"
    path.write_text(json.dumps(["Please answer: {prompt}", "{prompt} Be brief."]))
    parent = dataset(tmp_path, clean_rows(60))
    made = augment(parent, [("templates", template_maker(read_templates(path)))], name="told")
    new = [e.messages[0]["content"] for e in list(made.splits["train"])[len(parent.splits["train"]) :]]
    assert len(new) == 48 and all(t.startswith("Please answer: ") or t.endswith(" Be brief.") for t in new)
    for text, says in (
        ("[]", "expected a list.*; next: "),
        ('["no place"]', "with {prompt} in it"),
        ("[", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=says):
            read_templates(path)
    (tmp_path / "table.yaml").write_text("a: b\n")
    with pytest.raises(DataError, match="a phrase and a list of texts"):
        read_table(tmp_path / "table.yaml")


def test_what_would_leak_is_not_made(tmp_path: Path) -> None:
    parent = dataset(tmp_path, clean_rows(60))
    secret = [example.messages[0]["content"] for example in parent.splits["test"]]
    made = augment(parent, [("cheat", lambda row, chance: [chance.choice(secret) + " !"])], name="cheat")
    assert list(made.splits["train"]) == list(parent.splits["train"])
    assert sum(made.dropped.values()) == 48
    assert set(made.dropped) <= {
        "prompt occurs in a held-out split",
        "near duplicate of a row in a held-out split",
        "shares 13 words in a row with a held-out split",
    }


def test_balancing_down_up_and_to_a_number(tmp_path: Path) -> None:
    rows = [{"text": r["prompt"], "label": "common" if n % 5 else "rare"} for n, r in enumerate(clean_rows(200))]
    parent = dataset(tmp_path, rows)
    sizes = Counter(example.label for example in parent.splits["train"])
    for target, expected in (("down", min(sizes.values())), ("up", max(sizes.values())), (50, 50)):
        made = augment(parent, [], name="even", target=target)
        assert Counter(e.label for e in made.splits["train"]) == {"common": expected, "rare": expected}
        ids = [example.id for example in made.splits["train"]]
        assert len(set(ids)) == len(ids) and held_out(made) == held_out(parent)
        repeated = [entry for entry in lineage(made).values() if entry.get("made_by") == "repeated"]
        assert len(repeated) == max(0, expected - sizes["rare"])
    with pytest.raises(DataError, match="no classes"):
        augment(dataset(tmp_path, clean_rows(40)), [], name="even", target="up")


@given(st.integers(0, 5000), st.lists(st.floats(0.01, 100), min_size=1, max_size=6))
def test_shares_are_never_off_by_a_row(total: int, weights: list[float]) -> None:
    counts = shares_of(total, weights)
    assert sum(counts) == total
    assert all(abs(count - total * weight / sum(weights)) < 1 for count, weight in zip(counts, weights, strict=True))


def test_mixing_by_weight_with_prefixes(tmp_path: Path) -> None:
    one, other = dataset(tmp_path, clean_rows(300), "one"), dataset(tmp_path, clean_rows(200, seed=3), "other")
    made = mix([one, other], [0.7, 0.3], name="both", prefixes={"other": "Intent? "}, rows=300)
    prefixed = [example.messages[0]["content"].startswith("Intent? ") for example in made.splits["train"]]
    assert len(prefixed) == 300 and abs(sum(prefixed) / 300 - 0.3) < 0.02
    assert prefixed != sorted(prefixed)
    assert len(made.splits["test"]) == len(one.splits["test"]) + len(other.splits["test"])
    origins = Counter(entry["made_by"] for entry in lineage(made).values())
    assert origins[f"mixed from one-{one.version[:12]}"] == 210 + sum(map(len, held_out(one)))
    every = len(mix([one, other], [0.5, 0.5], name="both").splits["train"])
    assert every == 2 * len(other.splits["train"])
    with pytest.raises(DataError, match=rf"its share is \d+ rows, it has {len(other.splits['train'])}; next: --rows"):
        mix([one, other], [0.1, 0.9], name="both", rows=300)
    with pytest.raises(DataError, match="no dataset of that name"):
        mix([one, other], [1, 1], name="both", prefixes={"third": "x"})


def test_what_another_dataset_holds_out_is_not_mixed_in(tmp_path: Path) -> None:
    rows = clean_rows(200)
    one, other = dataset(tmp_path, rows[:150], "one"), dataset(tmp_path, rows[50:], "other", seed=1)
    made = mix([one, other], [1, 1], name="both")
    held = {example.prompt for split in held_out(made) for example in split}
    assert not held & {example.prompt for example in made.splits["train"]}
    assert made.dropped["prompt occurs in a held-out split"] > 0


def test_replay_is_exact_and_of_the_last_three(tmp_path: Path) -> None:
    new = dataset(tmp_path, clean_rows(200), "new")
    earlier = [dataset(tmp_path, clean_rows(60, seed=n), f"v{n}") for n in range(1, 5)]
    made = replay(new, earlier, name="continual")
    origins = Counter(entry.get("made_by", "new") for entry in lineage(made).values())
    assert len(made.splits["train"]) == 200  # 160 new ones are 80 %
    replayed = {how.removeprefix("replayed from ")[:2]: n for how, n in origins.items() if how != "new"}
    assert replayed == {"v2": 14, "v3": 13, "v4": 13}
    assert held_out(made) == held_out(new)
    assert [parent["name"] for parent in made.facts["parents"]] == ["new", "v2", "v3", "v4"]
    with pytest.raises(DataError, match=r"its part of the replay is \d+ rows"):
        replay(new, earlier, name="continual", share=0.6)
    with pytest.raises(DataError, match="a share between 0 and 1"):
        replay(new, earlier, name="continual", share=1.0)


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A chat completions server that answers in capitals, after two failures."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            if len(asked) <= 2:
                self.send_response(503)
                self.end_headers()
                return
            refused = body["model"] == "unknown"
            self.send_response(404 if refused else 200)
            self.end_headers()
            text = body["messages"][1]["content"].upper() + f" {body['seed'] % 1000}"
            self.wfile.write(json.dumps({"choices": [{"message": {"content": text}}]}).encode())

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/v1/", asked
    httpd.shutdown()


def test_paraphrase_and_back_translation(tmp_path: Path, server: tuple[str, list[dict[str, Any]]]) -> None:
    url, asked = server
    parent = dataset(tmp_path, clean_rows(40))
    endpoint = Endpoint(url=url, model="m", wait_s=0.01)
    makers = [("paraphrase", paraphraser(endpoint, 2)), ("back", back_translator(endpoint, "German"))]
    made = augment(parent, makers, name="said")
    new = list(made.splits["train"])[32:]
    assert len(new) == 32 * 3 and all(e.messages[0]["content"].startswith("WHO IS") for e in new)
    assert Counter(entry.get("made_by") for entry in lineage(made).values()) == {None: 40, "paraphrase": 64, "back": 32}
    # Two failures were tried again; nothing but training questions was sent.
    assert len(asked) == 2 + 32 * 4
    sent = " ".join(body["messages"][1]["content"] for body in asked)
    assert not any(example.messages[0]["content"] in sent for split in held_out(parent) for example in split)
    with pytest.raises(DataError, match="HTTP 404, expected an answer"):
        augment(parent, [("p", paraphraser(Endpoint(url=url, model="unknown"), 1))], name="x")
    with pytest.raises(DataError, match="no answer"):
        augment(parent, [("p", paraphraser(Endpoint(url="http://127.0.0.1:9/v1", model="m", wait_s=0), 1))], name="x")


def test_what_datasets_share_stays_once_in_a_mix(tmp_path: Path) -> None:
    rows = clean_rows(200)
    one, other = dataset(tmp_path, rows[:150], "one"), dataset(tmp_path, rows[50:][::-1], "other")
    made = mix([one, other], [1, 1], name="both", prefixes={"other": "Say: "})
    asked = {split: [e.prompt.replace("Say: ", "") for e in made.splits[split]] for split in SPLITS}
    for split, others in (("train", ("validation", "test")), ("validation", ("test",))):
        assert not set(asked[split]) & {prompt for held in others for prompt in asked[held]}
    plain = mix([one, other], [1, 1], name="both")
    for split in SPLITS:
        prompts = [example.prompt for example in plain.splits[split]]
        assert len(set(prompts)) == len(prompts)
    assert plain.dropped["duplicate: same prompt and answer"] > 20
    before = sum(len(one.splits[split]) for one in (one, other) for split in SPLITS)
    after = sum(len(plain.splits[split]) for split in SPLITS)
    assert before == after + sum(plain.dropped.values()) + sum(plain.facts["left_out"].values())
    with pytest.raises(DataError, match="is given twice; next:"):
        mix([one, one], [1, 1], name="both")


def test_datasets_that_are_made_get_advice_and_counts_by_split(tmp_path: Path) -> None:
    one, other = dataset(tmp_path, clean_rows(60), "one"), dataset(tmp_path, clean_rows(40, seed=3), "other")
    made = mix([one, other], [3, 1], name="both", rows=40)
    assert made.facts["left_out"] == {f"one-{one.version[:12]}": 18, f"other-{other.version[:12]}": 22}
    assert describe(made)["lineage"] == {
        f"one.jsonl, mixed from one-{one.version[:12]}": {"train": 30, "validation": 6, "test": 6},
        f"other.jsonl, mixed from other-{other.version[:12]}": {"train": 10, "validation": 4, "test": 4},
    }
    grown = augment(one, [("noise", noisy(0.1))], name="more")
    replayed = replay(one, [other], name="again")
    for new, rows in ((made, 40), (grown, 96), (replayed, 60)):
        assert new.facts["advice"][0]["text"].startswith(f"{rows} training rows: do not fine-tune")
