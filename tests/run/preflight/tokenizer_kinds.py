"""Small tokenizers of every kind, in model folders: those that a runtime reads as Hugging Face does, and those it does
not. Vocabularies of some 400 tokens, trained or written here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from tests.synthetic.tiny import TEMPLATE

CONTROL = ["<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
_TEXTS = [
    'turn the lamp on {"name": "lamp", "state": "on"}',
    "what is the capital of the blue town 12345 1999",
    "sad happy calm 123 don't we'll I'M",
    "  two  spaces\n\nnew\r\nline\ttab",
]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
LLAMA3 += r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
HAN = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK = r"[!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPACE = "\u2581"  # of sentencepiece
_WORDS = ("the", "lamp", "on", "what", "is", "capital", "town")


def bpe(
    *, pre: Any = None, normalizer: Any = None, added: Sequence[AddedToken] = (), kind: str = "GPT2Tokenizer"
) -> Tokenizer:
    """Byte-level BPE; ``kind`` is the class that tokenizer_config.json names."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre or pre_tokenizers.ByteLevel(add_prefix_space=False)
    if normalizer is not None:
        raw.normalizer = normalizer
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(_TEXTS * 20, trainer)
    raw.add_tokens(list(added))
    return raw


def split(pattern: str) -> Any:
    """A pre-tokenizer by a pattern, then bytes: as Llama 3 and Qwen have it."""
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip


def splits(*patterns: str) -> Any:
    """Several patterns one after the other: as DeepSeek has it."""
    return pre_tokenizers.Sequence([
        *(pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip


def before_bytes(first: Any) -> Any:
    """A pre-tokenizer, then GPT-2's pattern."""
    return pre_tokenizers.Sequence([first, pre_tokenizers.ByteLevel(add_prefix_space=False)])


def digits() -> Any:
    """Single digits, then GPT-2's pattern: as SmolLM2 has it."""
    return before_bytes(pre_tokenizers.Digits(individual_digits=True))


def sentencepiece(*, bytes_: bool = True, rstrip: bool = False) -> Tokenizer:
    """BPE over characters with a space before the first word, as Llama 2 and Phi-3 have it."""
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{byte:02X}>": 3 + byte for byte in range(256)}
    for character in f"{_SPACE}abcdefghijklmnopqrstuvwxyzABCDEIJ0123456789.,'{{}}\":-":
        vocab.setdefault(character, len(vocab))
    merges = []
    for word in (f"{_SPACE}{word}" for word in _WORDS):
        for end in range(2, len(word) + 1):
            if word[:end] not in vocab:
                vocab[word[:end]] = len(vocab)
                merges.append((word[: end - 1], word[end - 1]))
    vocab |= {text: len(vocab) + number for number, text in enumerate(CONTROL)}
    raw = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=bytes_))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend(_SPACE), normalizers.Replace(" ", _SPACE)])
    raw.decoder = decoders.Sequence([
        decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)
    ])  # fmt: skip
    raw.add_special_tokens(["<unk>", "<s>", "</s>"])
    raw.add_special_tokens([AddedToken(text, rstrip=rstrip, normalized=False) for text in CONTROL])
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return raw


def gemma() -> Tokenizer:
    """No space before the first word; words end where the next space begins."""
    raw = sentencepiece()
    raw.normalizer = normalizers.Replace(" ", _SPACE)
    raw.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    raw.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return raw


def metaspace_first() -> Tokenizer:
    """A space before the first word of the text alone, not behind control tokens."""
    raw = sentencepiece()
    raw.normalizer = normalizers.Sequence([])
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="first", split=False)
    return raw


def unigram() -> Tokenizer:
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), (_SPACE, -4.0)]
    pieces += [(character, -5.0) for character in "abcdefghijklmnopqrstuvwxyz0123456789.,'\n"]
    raw = Tokenizer(models.Unigram(pieces, unk_id=0))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme="always")
    raw.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    raw.add_special_tokens(CONTROL)
    return raw


def without_effect() -> Tokenizer:
    """A pre-tokenizer that splits at a text that no row has: as ChatGLM 3 has it."""
    raw = gemma()
    raw.pre_tokenizer = pre_tokenizers.Split("<!dummy-prefix!>", behavior="isolated")
    raw.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme="always")
    return raw


def merges_ignored() -> Tokenizer:
    """Words of the vocabulary are one token whatever the merges say: as Llama 3 has it."""
    raw = json.loads(bpe(pre=split(LLAMA3)).to_str())
    raw["model"]["ignore_merges"] = True
    return Tokenizer.from_str(json.dumps(raw))


def wordpiece() -> Tokenizer:
    vocab = {text: number for number, text in enumerate(["[UNK]", *CONTROL, *"abcdehilmnoprstwuy0123456789.,"])}
    vocab |= {f"##{text}": len(vocab) + number for number, text in enumerate("abcdehilmnoprstwuy0123456789.,")}
    raw = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    raw.normalizer, raw.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece()
    raw.add_special_tokens(CONTROL)
    return raw


def of_gguf() -> Tokenizer:
    """What transformers 4.57 makes of a GGUF with byte-level BPE: its class and decoder are sentencepiece's."""
    raw = json.loads(bpe(pre=digits()).to_str())
    raw["normalizer"] = {"type": "Sequence", "normalizers": []}
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    replace = {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "}
    raw["decoder"] = {
        "type": "Sequence",
        "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}, replace, byte_level],
    }
    raw["model"] |= {"unk_token": "<|endoftext|>", "fuse_unk": True, "byte_fallback": True}
    return Tokenizer.from_str(json.dumps(raw))


Kind = tuple[Callable[[], Tokenizer], str]
EQUAL: dict[str, Kind] = {
    "gpt-2": (bpe, "GPT2Tokenizer"),
    "byte-level without a class": (bpe, "PreTrainedTokenizerFast"),
    "smollm": (lambda: bpe(pre=digits()), "GPT2Tokenizer"),
    "llama 3": (lambda: bpe(pre=split(LLAMA3)), "PreTrainedTokenizerFast"),
    "qwen": (lambda: bpe(pre=split(QWEN2), normalizer=normalizers.NFC()), "Qwen2Tokenizer"),
    "llama 2": (sentencepiece, "LlamaTokenizer"),
    "phi 3": (lambda: sentencepiece(rstrip=True), "LlamaTokenizer"),
    "gemma": (gemma, "GemmaTokenizer"),
    "added token": (lambda: bpe(added=[AddedToken("<tool>", normalized=False)]), "GPT2Tokenizer"),
    "merges ignored": (merges_ignored, "PreTrainedTokenizerFast"),
    "a space before the text": (lambda: bpe(pre=pre_tokenizers.ByteLevel(add_prefix_space=True)), "GPT2Tokenizer"),
    "punctuation apart": (lambda: bpe(pre=before_bytes(pre_tokenizers.Punctuation())), "GPT2Tokenizer"),
    "added tokens that overlap": (
        lambda: bpe(added=[AddedToken(text, normalized=False) for text in ("<tool>", "<tool>b", "tool")]),
        "GPT2Tokenizer",
    ),
    "added tokens of spaces": (
        lambda: bpe(added=[AddedToken(" " * count, normalized=False) for count in (4, 3, 2)]),
        "CodeGenTokenizer",
    ),
    "added token, rstrip": (lambda: bpe(added=[AddedToken("<tool>", rstrip=True, normalized=False)]), "GPT2Tokenizer"),
}
DIFFERENT: dict[str, Kind] = {
    "of a GGUF": (of_gguf, "LlamaTokenizer"),
    "NFKC": (lambda: bpe(normalizer=normalizers.NFKC()), "GPT2Tokenizer"),
    "lower case": (lambda: bpe(normalizer=normalizers.Lowercase()), "GPT2Tokenizer"),
    "strip": (lambda: bpe(normalizer=normalizers.Strip()), "GPT2Tokenizer"),
    "replace": (lambda: bpe(normalizer=normalizers.Replace("a", "b")), "GPT2Tokenizer"),
    "added token, lstrip": (lambda: bpe(added=[AddedToken("<tool>", lstrip=True, normalized=False)]), "GPT2Tokenizer"),
    "single word": (lambda: bpe(added=[AddedToken("tool", single_word=True, normalized=False)]), "GPT2Tokenizer"),
    "no byte fallback": (lambda: sentencepiece(bytes_=False), "LlamaTokenizer"),
    # microsoft/onnxruntime-extensions#1064: the last of several splits is the only one that is read.
    "deepseek": (lambda: bpe(pre=splits(r"\p{N}{1,3}", HAN, DEEPSEEK)), "PreTrainedTokenizerFast"),
    "what a split removes": (
        lambda: bpe(pre=before_bytes(pre_tokenizers.Split("-", behavior="removed"))),
        "GPT2Tokenizer",
    ),
    "words apart": (lambda: bpe(pre=before_bytes(pre_tokenizers.WhitespaceSplit())), "GPT2Tokenizer"),
    # microsoft/onnxruntime-extensions#852: control tokens between the pieces of a unigram model.
    "unigram": (unigram, "XLMRobertaTokenizer"),
    "a space before the first word": (metaspace_first, "LlamaTokenizer"),
}
REFUSED: dict[str, Kind] = {
    "a pattern that the runtime has not": (lambda: bpe(pre=split(r"\p{N}{1,2}|\p{L}{1,4}|\s+")), "GPT2Tokenizer"),
    # microsoft/onnxruntime-extensions#1045
    "a pre-tokenizer without effect": (without_effect, "LlamaTokenizer"),
    "wordpiece": (wordpiece, "BertTokenizer"),
    "unigram without a class": (unigram, "PreTrainedTokenizerFast"),
}


def write_model(kind: Kind, out: Path, *, template: str | None = TEMPLATE) -> Path:
    """A folder with the tokenizer's files and the token that ends an answer."""
    raw, name = kind[0](), kind[1]
    extra = {"bos_token": "<s>", "unk_token": "<unk>"} if raw.token_to_id("<s>") == 1 else {}
    if name == "LlamaTokenizer" and not extra:
        extra = {"bos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
        **extra,
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(out)
    settings = out / "tokenizer_config.json"
    config = json.loads(settings.read_text()) | {"tokenizer_class": name}
    if name == "LlamaTokenizer":
        config |= {"legacy": False, "add_bos_token": True}
    settings.write_text(json.dumps(config))
    (out / "generation_config.json").write_text(json.dumps({"eos_token_id": raw.token_to_id("<|end|>")}))
    return out


def write_dataset(out: Path, questions: Sequence[str], *, answers: Sequence[str] = ("on",)) -> Path:
    """A prepared dataset whose training split asks the questions, and whose test split asks one more."""
    out.mkdir(parents=True)
    (out / "dataset.json").write_text(json.dumps({"name": "rows", "version": "0" * 64}))
    splits = {"train": list(questions), "test": ["what is the lamp"]}
    for split_name, texts in splits.items():
        rows = [
            {
                "id": f"{split_name}{number}",
                "messages": [
                    {"role": "user", "content": text},
                    {"role": "assistant", "content": answers[number % len(answers)]},
                ],
            }
            for number, text in enumerate(texts)
        ]
        (out / f"{split_name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return out
