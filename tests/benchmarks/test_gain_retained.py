"""The pure parts of ``make gain-retained``: rows, right answers, the share kept, resuming, the table."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from gain import snips
from gain.answered import read_answers
from gain.checks import checked, checks_table
from gain.speed import summary
from gain.statistics import Answered, over_tasks, retained, verdict
from gain.table import markdown
from gain.tasks import TASKS, canonical, same_json
from gain.work import content_key, key_of, read_record, write_record
from gain_retained import estimate, run_state, subject_row, subjects_of
from pairs import difference
from peers.children.protocol import common_start
from peers.rounds import Rounds


def chunk(text, entity=None):
    return {"text": text} | ({"entity": entity} if entity else {})


REQUEST = [chunk("Play "), chunk("Björk ", "artist"), chunk(" and "), chunk("Sigur  Rós", "artist"), chunk(" on "),
           chunk("Spotify", "service")]  # fmt: skip


def test_a_request_of_snips_is_its_text_and_what_it_asks_for():
    assert snips.text_of(REQUEST) == "Play Björk and Sigur Rós on Spotify"
    answer = snips.answer_of("PlayMusic", REQUEST)
    assert answer == '{"intent":"PlayMusic","slots":{"artist":["Björk","Sigur Rós"],"service":"Spotify"}}'


def cesu_8(text):
    """As the published file has it: each half of a surrogate pair in UTF-8 of its own."""
    return text.replace("🍕", "\ud83c\udf55").encode("utf-8", errors="surrogatepass")


def published(folder, intents):
    for intent in intents:
        (folder / intent).mkdir()
        for part, count in (("train_{}_full", snips.HELD_OUT + 3), ("validate_{}", 2)):
            rows = [{"data": [chunk(f"{intent} {part} é🍕 "), chunk(str(number), "n")]} for number in range(count)]
            text = json.dumps({intent: [*rows, rows[0]]}, ensure_ascii=False)
            (folder / intent / f"{part.format(intent)}.json").write_bytes(
                text.encode() if intent != "B" else cesu_8(text)
            )


def test_the_splits_of_snips_share_no_text_and_one_file_is_not_utf_8(tmp_path):
    published(tmp_path, ("A", "B"))
    damaged = (tmp_path / "B" / "validate_B.json").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        damaged.decode()
    found = list(snips.rows(tmp_path))
    texts = [row["prompt"] for _, row in found]
    assert len(set(texts)) == len(texts) == 2 * (snips.HELD_OUT + 3 + 2)
    # The last training rows, of which one repeats the first: measured, so not trained on.
    assert sum(split == "test" for split, _ in found) == 2 * (2 + snips.HELD_OUT)
    assert all(" é🍕 " in text for text in texts)


def test_json_is_right_whatever_the_order_of_its_keys():
    assert same_json(' {"b": [1, 2], "a": "x"}\n', '{"a":"x","b":[1,2]}')
    assert not same_json('{"a":"x","b":[2,1]}', '{"a":"x","b":[1,2]}')
    assert not same_json('{"a":"x"', '{"a":"x"}') and not same_json("", "")
    assert canonical('{"a": NaN}') is None and canonical("[" * 100_000) is None
    assert canonical('{"a": "é"}') == '{"a":"é"}'


def test_the_device_commands_have_a_thousand_test_rows_of_prompts_that_training_has_not(tmp_path):
    (task,) = (one for one in TASKS if one.name == "device-command")
    task.write(tmp_path, tmp_path)
    prompts = {
        path.stem: [json.loads(line)["prompt"] for line in path.read_text().splitlines()] for path in tmp_path.iterdir()
    }
    assert len(set(prompts["test"])) == len(prompts["test"]) == 1000
    assert not set(prompts["test"]) & {*prompts["train"], *prompts["validation"]}


def drawn(rows, rate, seed):
    generator = random.Random(seed)
    return {str(row): generator.random() < rate for row in range(rows)}


def worse(outcomes, rate, seed):
    """The same answers, some of them flipped."""
    generator = random.Random(seed)
    return {row: right != (generator.random() < rate) for row, right in outcomes.items()}


def example(flipped=0.1, rows=300, seed=0):
    merged = [drawn(rows, 0.7, seed + number) for number in range(3)]
    subject = [worse(one, flipped, 10 + seed + number) for number, one in enumerate(merged)]
    return Answered(base=drawn(rows, 0.1, 20 + seed), merged=merged, subject=subject)


def plain_share(found, rows):
    """The definition, row by row and seed by seed."""
    seeds = range(len(found.merged))
    base = sum(found.base[row] for row in rows) * len(seeds)
    merged = sum(found.merged[seed][row] for seed in seeds for row in rows)
    subject = sum(found.subject[seed][row] for seed in seeds for row in rows)
    return (subject - base) / (merged - base)


def test_the_share_kept_and_its_interval_are_those_of_a_plain_bootstrap():
    found, rows = example(), [str(row) for row in range(300)]
    share = retained(found)
    assert share["value"] == pytest.approx(plain_share(found, rows)) and share["n"] == 900
    generator = random.Random(5)
    shares = sorted(plain_share(found, generator.choices(rows, k=len(rows))) for _ in range(2000))
    # Newcombe's interval takes the seeds' answers for independent: it may be the wider one, by little.
    assert share["ci_low"] == pytest.approx(shares[50], abs=0.01)
    assert share["ci_high"] == pytest.approx(shares[1949], abs=0.01)


def test_who_answers_as_the_merged_model_keeps_all_and_the_interval_still_has_a_width():
    share = retained(example(flipped=0.0))
    assert share["value"] == 1.0 and share["ci_low"] < 1.0 < share["ci_high"]


def test_one_task_alone_is_its_own_mean():
    for found in (example(), example(flipped=0.0)):
        alone, mean = retained(found), over_tasks({"t": found})
        assert {name: round(mean[name], 2) for name in mean} == {name: round(alone[name], 2) for name in alone}


def test_without_a_gain_there_is_no_share():
    base = drawn(300, 0.5, 1)
    found = Answered(base=base, merged=[worse(base, 0.1, 2)], subject=[base])
    assert retained(found)["value"] is None and "gained nothing" in retained(found)["reason"]
    assert over_tasks({"a": example(), "b": found})["value"] is None


def test_tasks_count_the_same_however_many_rows_they_have():
    small, large = example(rows=200), example(rows=2000, flipped=0.3, seed=40)
    both = over_tasks({"small": small, "large": large})
    assert both["value"] == pytest.approx((retained(small)["value"] + retained(large)["value"]) / 2)
    assert both["ci_low"] < both["value"] < both["ci_high"] and both["n"] == 3 * 2200


def test_keeps_is_yes_or_no_only_when_the_whole_interval_says_so():
    assert verdict({"value": 0.97, "ci_low": 0.951, "ci_high": 0.99}) == "yes"
    assert verdict({"value": 0.90, "ci_low": 0.85, "ci_high": 0.949}) == "no"
    assert verdict({"value": 0.96, "ci_low": 0.94, "ci_high": 0.98}) == "cannot tell"
    assert verdict({"value": None, "reason": "x"}) == "not measured"


def test_what_is_kept_is_asked_for_by_a_key_of_what_it_depends_on(tmp_path):
    record = tmp_path / "deep" / "one.json"
    assert read_record(record, "k") is None
    write_record(record, "k", {"value": 1})
    assert read_record(record, "k") == {"value": 1, "key": "k"} and read_record(record, "other") is None
    record.write_text('{"key": "k", "val')  # cut by a kill
    assert read_record(record, "k") is None
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})


def test_a_folders_key_is_that_of_its_files_and_names_without_the_manifest(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights").write_bytes(b"1")
    before = content_key(model, tmp_path / "hashes")
    (model / "manifest.json").write_text("the time of the run")
    assert content_key(model, tmp_path / "hashes") == before
    (model / "weights").write_bytes(b"22")
    assert content_key(model, tmp_path / "hashes") != before
    (model / "weights").write_bytes(b"1")
    (model / "weights").rename(model / "other")
    assert content_key(model, tmp_path / "hashes") != before


def test_answers_are_read_without_the_line_that_a_kill_cut(tmp_path):
    file = tmp_path / "answers.jsonl"
    assert read_answers(file) == {}
    file.write_text('["a", [1, 2]]\n["b", []]\n["c", [3')
    assert read_answers(file) == {"a": [1, 2], "b": []}
    with file.open("a") as more:
        more.write('["c", [4]]\n')
    assert read_answers(file) == {"a": [1, 2], "b": [], "c": [4]}


def test_common_beginnings():
    assert common_start([1, 2, 3], [1, 2, 4]) == 2
    assert common_start([1, 2], [1, 2, 3]) == 2
    assert common_start([], [1]) == 0


def test_speed_is_summed_up_over_rounds_and_paired_with_llama_cpp():
    def result(rate):
        return {"decode_tps": rate, "prefill_tps": 10 * rate, "peak_memory_bytes": 1e8}

    rounds = [Rounds(found={"ours": [result(2 * rate)], "llama-q4_0": [result(rate)]}) for rate in (50.0, 100.0, 60.0)]
    found = summary(rounds, {"broken": "it stopped"})
    assert found["ours"]["decode_tps"]["value"] == 120.0 and found["ours"]["decode_ratio"]["value"] == 2.0
    assert found["broken"]["decode_tps"] == {"value": None, "reason": "it stopped"}


class Made:
    def __init__(self, role, note=""):
        self.role, self.note, self.checks = role, note, None


def test_what_run_said_of_a_target():
    assert run_state([Made("ours"), Made("ours")]) == "passed"
    assert run_state([Made("ours"), Made("ours", "check kl failed")]) == "refused 1 of 2"
    assert run_state([Made("ours", "check kl failed")]) == "refused"
    assert run_state([Made("peer")]) == "–"


def record(subjects):
    share = {"value": 0.97, "ci_low": 0.955, "ci_high": 0.985}
    speed = {key: {"value": 150.0} for key in ("decode_tps", "prefill_tps", "peak_memory_bytes", "decode_ratio")}
    return {
        "machine": {"id": "box"}, "date": "2026-01-01", "versions": {"onnxruntime": "1"}, "model": "m",
        "finetune": {"r": 16}, "seeds": [0, 1, 2], "all_seeds": ["ours"], "keeps": 0.95, "threads": 2,
        "prompt_tokens": 128,
        "generated_tokens": 64, "rounds": 5, "speed_model": "T, seed 0", "disturbed": 0, "noisy": 0,
        "subjects": {
            name: {"title": name, "gain_kept": share, "keeps": "yes", "size_on_disk_bytes": {"value": 1.2e8},
                   "speed": speed}
            for name in subjects
        },
        "tasks": {"t": {"title": "T", "test_rows": "the test file", "rows": 300, "tokens": 20,
                        "base": {"accuracy": 0.1}, "merged": [{"accuracy": 0.7}, {"accuracy": 0.71}],
                        "subjects": subjects}},
    }  # fmt: skip


def test_the_table_says_what_was_measured_and_why_something_was_not():
    found = example()
    answers = [{"ours": subject, "merged": merged} for subject, merged in zip(found.subject, found.merged, strict=True)]
    ours = subject_row("ours", found.base, answers, [{"ours": Made("ours", "check kl failed")}] * 3)
    missing = subject_row("peer", found.base, answers, [{"peer": Made("peer", "Olive made no model")}] * 3)
    assert missing["gain_kept"] == {"value": None, "reason": "Olive made no model"}
    assert (
        ours["to_merged"]["difference"] == difference(list(zip(found.merged, found.subject, strict=True)))["difference"]
    )
    text = markdown(record({"ours": ours, "peer": missing}))
    assert "refused 3 of 3 [" in text and "check kl failed" in text and "Olive made no model" in text
    assert "| ours | 97 (95.5 to 98.5) | yes |" in text and "120 MB" in text
    widths = {line.count("|") for line in text.split("## T\n")[1].split("## ")[0].splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_only_what_decides_is_made_of_each_seed():
    assert subjects_of(0, (0, 1), ["cpu-int8", "cpu-int4"]) == ["cpu-int8", "cpu-int4"]
    assert subjects_of(1, (0, 1), ["cpu-int8", "cpu-int4"]) == ["cpu-int4"]
    found = example()
    answers = [{"merged": one} for one in found.merged]
    answers[0]["eight"] = found.subject[0]
    row = subject_row("eight", found.base, answers, [{"eight": Made("ours")}, {}, {}])
    assert row["gain_kept"]["n"] == 300 and len(row["seeds"]) == 1 and row["run"]["state"] == "passed"
    first = Answered(base=found.base, merged=found.merged[:1], subject=found.subject[:1])
    assert row["gain_kept"] == retained(first)


def outcome(kl, call, difference):
    task = {"call": call, "rows": 500, "difference": difference, "ci_low": difference - 0.02, "ci_high": 0.0}
    checks = [
        {"name": "kl_answer", "value": kl, "ci_low": kl / 2, "ci_high": 2 * kl},
        {"name": "top1_answer", "value": 0.97},
        {"name": "keeps_task", "value": difference, "task": task},
    ]
    return [{"job": "merge", "checks": []}, {"job": "export-cpu-int4", "checks": checks}]


def test_what_run_measured_stands_beside_what_the_test_rows_show():
    assert checked("", "export-cpu-int4") is None and checked("[]", "export-cpu-int4") is None
    assert checked(json.dumps(outcome(0.1, "inferior", -0.1)), "merge") is None
    found, made = example(), [Made("ours"), Made("ours", "check keeps_task failed"), Made("ours")]
    made[0].checks = checked(json.dumps(outcome(0.02, "cannot tell", -0.01)), "export-cpu-int4")
    made[1].checks = checked(json.dumps(outcome(0.01, "inferior", -0.05)), "export-cpu-int4")
    assert made[0].checks["kl_answer"] == 0.02 and made[0].checks["interval"] == [-0.03, 0.0]
    answers = [{"ours": subject, "merged": merged} for subject, merged in zip(found.subject, found.merged, strict=True)]
    row = subject_row("ours", found.base, answers, [{"ours": one} for one in made])
    first, second = (line.split(" | ") for line in checks_table(record({"ours": row}))[2:])
    assert first[2:6] == ["1", "0.0100", "0.970", "inferior"] and first[6] == "-5.0 (-7.0 to +0.0)"
    assert second[2:4] == ["0", "0.0200"] and [first[-1], second[-1]] == ["refused |", "passed |"]
    lost = row["seed_differences"][1]
    assert first[7].startswith(f"{100 * lost['difference']:+.1f} (") and lost["n"] == 300


def test_the_estimate_grows_with_what_is_asked_for():
    def hours(*what):
        return float(estimate(*what).split("about ")[1].split()[0])

    assert hours(TASKS, (0, 1, 2), ["cpu-int4"] * 11, 1000) > 2.5 * hours(TASKS, (0,), ["cpu-int4"] * 11, 1000)
    assert hours(TASKS[:1], (0,), ["a"], 10) == pytest.approx(800 / 3600, abs=0.1)
    assert np.isfinite(hours(TASKS, (0,), [], 1))
