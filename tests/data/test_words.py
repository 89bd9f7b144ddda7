"""Words of every script, and what is the same text: nothing torn apart, nothing merged that is another word."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olivepress.data.build import prepare_files
from olivepress.data.dedup.shingles import word_shingles
from olivepress.data.policy import Policy
from olivepress.data.prepare.cleaning import clean_text
from olivepress.data.prepare.statistics import distinct
from olivepress.data.store.examples import SPLITS
from olivepress.data.text.words import comparable, count_words, exact_key, word_windows
from tests.data.planted import clean_rows, events, write_jsonl


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("मुझे हिन्दी में किताबें पढ़ना अच्छा लगता है", 8),
        ("বাংলা ভাষায় লিখতে ভালো লাগে", 5),
        ("தமிழ் மொழி மிகவும் பழமையானது", 4),
        ("తెలుగు భాష చాలా అందమైనది", 4),
        ("שָׁלוֹם לְכֻלָּם", 2),
        ("مُدَرِّسَةٌ جَدِيدَةٌ", 2),
        ("می‌خواهم کتاب بخوانم", 3),
        ("བོད་སྐད་", 2),
        ("cafe\u0301 naïve Zażółć", 3),
        ("한국어를 배우고 싶어요", 3),
        ("我想买两张去上海的火车票", 8),
        ("ฉันอยากกินข้าวผัดที่ร้านอาหาร", 7),
        ("わたしはほんをよみます", 5),
        ("iPhone手机 15", 3),
        ("๒๕๖๗ ปี", 1),
        ("👍", 0),
        ("", 0),
    ],
)
def test_words_are_counted_in_their_script(text: str, words: int) -> None:
    assert count_words(comparable(text)) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [("दिन", "दीन"), ("का", "की"), ("को", "का"), ("ไกล", "ใกล้"), ("ماء", "مآء"), ("Maße", "Masse"), ("kırk", "kirk"),
     ("résumé", "resume"), ("2²", "22"), ("שָׁם", "שֵׁם"), ("កា", "កី"), ("မာ", "မိ")],
)  # fmt: skip
def test_other_words_stay_other_words(one: str, other: str) -> None:
    assert comparable(one) != comparable(other) and exact_key(one) != exact_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("İZMİR", "izmir"), ("ΟΔΟΣ", "οδος"), ("ＡＢＣ１２", "abc12"), ("ｶﾞｽ", "ガス"), ("ﻻ", "لا"), ("cafe\u0301", "CAFÉ"),
     ("ســلام", "سلام"), ("ﬁne", "fine"), ("❤\ufe0f", "❤")],
)  # fmt: skip
def test_one_word_in_two_codes_is_one_word(one: str, other: str) -> None:
    assert comparable(one) == comparable(other) and exact_key(one) == exact_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("how are you?", "How are you"), ("你好，世界！", "你好 世界"),
     ("¿Cómo estás?", "cómo estás"), ("Log in", "login"),
     ("यह क्या है?", "यह क्या है।"), ("مرحبا، كيف؟", "مرحبا كيف"), ("“Hi” there…", "Hi there"), ("don’t go", "Don't go!"),
     ("What is 2 plus 2.", "what is 2 plus 2"), ("well — yes", "well, yes"), ("「はい」と", "はいと"), ("5 kg", "5kg")],
)  # fmt: skip
def test_spaces_case_and_sentence_marks_make_no_other_text(one: str, other: str) -> None:
    assert exact_key(one) == exact_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.5", "15"), ("-5", "5"), ("−5", "5"), ("1,5", "15"), ("1 5", "15"), ("1. 5", "1.5"), ("3 : 4", "3 4"),
     ("10:30", "1030"), ("10–20", "1020"), ("5!", "5"), ("1/2", "12"), ("50%", "50"), ("$5", "5"), ("(5)", "5"),
     ("6'", "6"), (".5", "5"), ("第1、2", "第12"), ("a/b", "ab"), ("a_b", "ab"), ("a.b", "ab"), ("a-b", "ab"),
     ("f(x)", "fx"), ("x = 1", "x 1"), ("C++", "C"), ("C#", "C"), (".net", "net"), ("@bob", "bob"), ("{1}", "1"),
     ('{"a": "1"}', '{"a": 1}'), ("we'll", "well"), ("👍", "👎"), ("?", "!"), ("add 10 -5", "add 10-5")],
)  # fmt: skip
def test_marks_of_numbers_names_and_programs_count(one: str, other: str) -> None:
    assert exact_key(one) != exact_key(other)


WORDS = st.lists(st.sampled_from(["ab", "1", "दिन", "火", "車", "か", "ส", "วั", "é"]), max_size=60)


@given(st.lists(WORDS, min_size=1, max_size=5), st.sampled_from([5, 8, 13]))
def test_windows_are_the_same_in_numbers_and_in_words(texts: list[list[str]], size: int) -> None:
    keys = [" ".join(words) for words in texts]
    shingled = word_shingles(keys, size)
    windows = [[" ".join(words[a:b]) for a, b in word_windows(words, size)] for words in texts]
    assert shingled.counts.tolist() == [len(found) for found in windows]
    assert all(count_words(window) >= size for found in windows for window in found)
    every = [window for found in windows for window in found]
    seen = dict(zip(every, shingled.hashes.tolist(), strict=True))
    assert [seen[window] for window in every] == shingled.hashes.tolist()
    assert len(set(seen.values())) == len(seen)


HINDI = (
    "मुझे किताबें विद्यालय परीक्षा मिठाई चिड़िया पुस्तकालय स्टेशन टिकट दुकान खिड़की बिजली पानी सब्ज़ी गाड़ी दिल्ली मुंबई "
    "कार्यालय बैंक चिट्ठी मौसम तारीख़ डॉक्टर औषधि विमान होटल किराया नौकरी कंप्यूटर मोबाइल संगीत मैदान त्योहार शिक्षक"
)
THAI = "ฉัน เธอ กิน ข้าว ไป ตลาด บ้าน รถไฟ โรงเรียน หนังสือ น้ำ ดอกไม้ แมว สุนัข เพื่อน ครู หมอ เงิน ถนน ฝน ดาว ทะเล"
CHINESE = (
    "我们 火车 北京 上海 飞机 天气 老师 学生 电影 音乐 手机 电脑 医院 银行 超市 苹果 牛奶 咖啡 春天 冬天 明天 朋友"
)


@pytest.mark.parametrize(("vocabulary", "space"), [(HINDI, " "), (THAI, ""), (CHINESE, "")])
def test_13_words_in_a_row_are_13_words_in_every_script(tmp_path: Path, vocabulary: str, space: str) -> None:
    rng = random.Random(3)
    train, test = ([rng.choices(vocabulary.split(), k=24) for _ in range(n)] for n in (60, 20))
    test[0][4:8] = train[0][3:7]  # four words are chance
    test[1][4:20] = train[1][2:18]  # sixteen are not
    for name, rows in (("train", train), ("test", test)):
        write_jsonl(
            tmp_path / f"{name}.jsonl",
            [{"prompt": space.join(words), "completion": f"{name} {n}"} for n, words in enumerate(rows)],
        )
    dataset = prepare_files([str(tmp_path)], Policy(languages=False))
    assert dataset.files is not None
    dropped = events(dataset.files / "audit.jsonl", action="dropped")
    assert [line for line, _ in dropped] == [2]


def test_short_rows_that_differ_by_a_mark_are_duplicates_across_splits_too(tmp_path: Path) -> None:
    rows = clean_rows(40)
    train = [{"prompt": "How are you", "completion": "Fine"}, {"prompt": "how are you?", "completion": "fine."},
             {"prompt": "Ok!", "completion": "x"}, {"prompt": "What is 1.5", "completion": "a"},
             {"prompt": "👍", "completion": "y"}, *rows]  # fmt: skip
    test = [{"prompt": "OK", "completion": "other"}, {"prompt": "what is 15?", "completion": "b"},
            {"prompt": "👎", "completion": "z"}, *clean_rows(5, seed=1)]  # fmt: skip
    write_jsonl(tmp_path / "train.jsonl", train)
    write_jsonl(tmp_path / "test.jsonl", test)
    dataset = prepare_files([str(tmp_path)], Policy(languages=False))
    assert dataset.dropped == {"duplicate: same prompt and answer": 1, "prompt occurs in a held-out split": 1}
    asked = {e.messages[0]["content"] for split in SPLITS for e in dataset.splits[split]}
    assert {"What is 1.5", "what is 15?", "👍", "👎", "OK"} <= asked and "Ok!" not in asked


def test_a_question_and_a_statement_may_be_of_two_classes(tmp_path: Path) -> None:
    rows = [{"text": row["prompt"], "label": "ab"[n % 2]} for n, row in enumerate(clean_rows(40))]
    rows += [{"text": "You are going now?", "label": "a"}, {"text": "You are going now.", "label": "b"}]
    dataset = prepare_files([str(write_jsonl(tmp_path / "a.jsonl", rows))], Policy(languages=False))
    assert dataset.dropped == {}
    where = [s for s in SPLITS for e in dataset.splits[s] if e.messages[0]["content"].startswith("You are going now")]
    assert len(where) == 2 and len(set(where)) == 1


def test_zero_width_spaces_between_khmer_words_stay() -> None:
    assert clean_text("ខ្ញុំ\u200bចង់\u200bទៅ") == ("ខ្ញុំ\u200bចង់\u200bទៅ", [])
    assert clean_text("a\u200bb\u200b") == ("ab", ["invisible and odd spaces replaced"])


def test_distinct_counts_words_of_scripts_without_spaces() -> None:
    assert distinct(["我们我们"], 1) == 0.5
    assert distinct(["को का", "को का"], 1) == 0.5
