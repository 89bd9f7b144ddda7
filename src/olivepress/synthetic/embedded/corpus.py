"""The synthetic instruction corpus on which the embedded Tiny-Phi was pre-trained.

A base that never saw JSON, or never learned to copy from its prompt, cannot be LoRA-tuned at all; so the
corpus drills exactly that: copying, choosing, re-ordering, looking up, writing JSON, answering from a passage
and classifying by a rule that the prompt states. None of the demo tasks' formats occur here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from olivepress.synthetic.embedded import words as w


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One exchange: a prompt and its answer; most have no `system` message."""

    prompt: str
    answer: str
    system: str | None = None


Drill = Callable[[Random], tuple[str, str]]
_RANKS = ("first", "second", "third", "fourth", "fifth")
_TOPICS = {
    "color": w.COLORS, "animal": w.ANIMALS, "food": w.FOODS, "day": w.DAYS, "person": w.NAMES, "place": w.PLACES,
    "room": w.ROOMS, "thing": w.THINGS, "music": w.GENRES, "door": w.DOORS,
}  # fmt: skip
_CARRIERS = (
    "{v} the {x} {f} the {y}", "{f} {x} {v} {y}", "the {x} and the {y} {f} {v}", "{f}, {v} {y} {f} {x}",
    "{x}: {v} it {f} {y}", "I {v} a {x} {f} a {y}", "is the {x} {f} the {y}?", "{y} {f} {x}", "{v} {x} {y} {f}",
    "we {v} {f} {f} {x} near {y}", "{f} {f} {v} {x} {f} {y} {f}",
)  # fmt: skip


def carrier(rng: Random, x: str, y: str) -> str:
    """A loose sentence with the two given words among others."""
    if rng.random() < 0.5:
        x, y = y, x
    return rng.choice(_CARRIERS).format(x=x, y=y, v=rng.choice(w.VERBS), f=rng.choice(w.FILLERS))


def distinct(rng: Random, number: int, draw: Callable[[Random], str] = w.any_word) -> list[str]:
    """`number` different words."""
    words: dict[str, None] = {}
    while len(words) < number:
        words[draw(rng)] = None
    return list(words)


def compact(value: object) -> str:
    """JSON without spaces, as the demo tasks write it."""
    return json.dumps(value, separators=(",", ":"))


def _value(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def _key(rng: Random) -> str:
    word = rng.choice(rng.choice(w.POOLS)).lower() if rng.random() < 0.5 else w.syllable_word(rng).lower()
    key = word.replace(" ", "_")
    return f"{key}_{w.syllable_word(rng).lower()}" if rng.random() < 0.25 else key


def copy(rng: Random) -> tuple[str, str]:
    """Repeat a few words."""
    text = " ".join(distinct(rng, rng.randint(1, 8)))
    return rng.choice(("Repeat: {}", "Say {}", "Copy this: {}", 'Write "{}"', "Echo {}")).format(text), text


def reverse(rng: Random) -> tuple[str, str]:
    """Reverse a list, or only write it with other separators."""
    items = distinct(rng, rng.randint(2, 4))
    if rng.random() < 0.5:
        return f"Reverse: {', '.join(items)}", ", ".join(items[::-1])
    joiner = rng.choice((" - ", "/", "; ", "|"))
    return f"Join with {joiner.strip()}: {' '.join(items)}", joiner.join(items)


def pick(rng: Random) -> tuple[str, str]:
    """Pick a list item by rank."""
    items = distinct(rng, rng.randint(2, 5))
    index = rng.randrange(len(items))
    rank = "last" if index == len(items) - 1 and rng.random() < 0.5 else _RANKS[index]
    return rng.choice(("The {} of {}?", "Give the {} word: {}", "{} item of {}")).format(rank, ", ".join(items)), items[
        index
    ]


def json_list(rng: Random) -> tuple[str, str]:
    """A list as a JSON array."""
    items = distinct(rng, rng.randint(1, 4))
    prompt = rng.choice(("JSON list: {}", "As a JSON array: {}", "List as JSON {}")).format(", ".join(items))
    return prompt, compact([_value(item) for item in items])


def json_object(rng: Random) -> tuple[str, str]:
    """Key and value pairs as a JSON object, sometimes wrapped in an outer object."""
    keys = distinct(rng, rng.randint(1, 3), _key)
    pairs = dict(zip(keys, distinct(rng, len(keys)), strict=True))
    link = rng.choice((" = ", ": ", " is ", " "))
    told = rng.choice((", ", "; ", " and ")).join(f"{key}{link}{value}" for key, value in pairs.items())
    body: dict[str, object] = {key: _value(value) for key, value in pairs.items()}
    roll = rng.random()
    if roll < 0.4:
        return rng.choice(("JSON with {}", "Make JSON: {}", "Object where {}", "{} as JSON")).format(told), compact(
            body
        )
    outer, kind = distinct(rng, 2, _key)
    if roll < 0.7:
        return f"JSON {outer} with {told}", compact({outer: body})
    return f"JSON {kind} {outer}, inside {told}", compact({kind: outer, _inner(kind): body})


def _inner(kind: str) -> str:
    """The key of the nested object: it depends on the first key, so that it must be computed, not guessed."""
    return f"{kind[:3]}s"


def fill_schema(rng: Random) -> tuple[str, str]:
    """Fill a JSON schema whose fields name kinds of words from a loose sentence."""
    first, second = rng.sample(sorted(_TOPICS), 2)
    x, y = rng.choice(_TOPICS[first]), rng.choice(_TOPICS[second])
    prompt = f"Fill {{{first},{second}}}: {carrier(rng, x, y)}"
    return prompt, compact({first: x, second: y})


def fill_number(rng: Random) -> tuple[str, str]:
    """Take a number and a word of a kind out of a loose sentence, in one of three formats."""
    kind = rng.choice(sorted(_TOPICS))
    x, n = rng.choice(_TOPICS[kind]), w.number(rng)
    text = carrier(rng, x, f"{n} {rng.choice(('percent', 'degrees', 'minutes', ''))}".strip())
    style = rng.randrange(3)
    if style == 0:
        return f"Fill {{{kind},number}}: {text}", compact({kind: x, "number": int(n)})
    return (f"{kind} and number in: {text}", f"{x}, {n}") if style == 1 else (f"Number in: {text}", n)


def extract(rng: Random) -> tuple[str, str]:
    """Name the word of a kind in a loose sentence."""
    kind, other = rng.sample(sorted(_TOPICS), 2)
    x = rng.choice(_TOPICS[kind])
    text = carrier(rng, x, rng.choice(_TOPICS[other]))
    return rng.choice(("Which {k}? {t}", "Find the {k}: {t}", "{t} Name the {k}.")).format(k=kind, t=text), x


def lookup(rng: Random) -> tuple[str, str]:
    """Read one value of a JSON object or of a list of assignments."""
    keys = distinct(rng, rng.randint(2, 4), _key)
    pairs = dict(zip(keys, distinct(rng, len(keys)), strict=True))
    key = rng.choice(keys)
    if rng.random() < 0.5:
        return f"{compact(pairs)} What is {key}?", pairs[key]
    told = ", ".join(f"{name} is {value}" for name, value in pairs.items())
    return f"{told}. {key}?", pairs[key]


def passage(rng: Random) -> tuple[str, str]:
    """Answer a question about two people from two or three sentences."""
    people = rng.sample(w.NAMES, 2) if rng.random() < 0.6 else distinct(rng, 2, w.syllable_word)
    verb, ask, pool = rng.choice(_FACTS)
    values = rng.sample(pool, 2) if rng.random() < 0.6 else distinct(rng, 2, w.syllable_word)
    told = [f"{who} {verb.format(value)}." for who, value in zip(people, values, strict=True)]
    if rng.random() < 0.3:
        told.append(f"{w.syllable_word(rng).capitalize()} {rng.choice(_FACTS)[0].format(w.any_word(rng))}.")
    rng.shuffle(told)
    which = rng.randrange(2)
    if rng.random() < 0.3:
        return f"{' '.join(told)} Who {verb.format(values[which])}?", people[which]
    return f"{' '.join(told)} {ask.format(people[which])}", values[which]


_FACTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("likes {}", "What does {} like?", w.FOODS), ("has a {}", "What does {} have?", w.ANIMALS),
    ("went to the {}", "Where did {} go?", w.PLACES), ("waits in the {}", "Where does {} wait?", w.ROOMS),
    ("found the {}", "What did {} find?", w.THINGS), ("hears {}", "What does {} hear?", w.GENRES),
    ("wears {}", "What color for {}?", w.COLORS), ("comes on {}", "When will {} come?", w.DAYS),
)  # fmt: skip


def kind_of(rng: Random) -> tuple[str, str]:
    """Say which kind of word one is, or whether a loose sentence holds such a word."""
    kind, other = rng.sample(sorted(_TOPICS), 2)
    if rng.random() < 0.4:
        options = rng.sample([kind, other], 2)
        return f"{rng.choice(_TOPICS[kind])}: {options[0]} or {options[1]}?", kind
    held = rng.choice((kind, other))
    text = carrier(rng, rng.choice(_TOPICS[held]), w.syllable_word(rng))
    return f"Is there a {kind} in: {text}", "yes" if held == kind else "no"


def rule(rng: Random) -> tuple[str, str]:
    """Classify by cue words that the prompt states; the labels are random words."""
    cues, labels = distinct(rng, 2), distinct(rng, 2)
    which = rng.randrange(2)
    told = ", ".join(f"{cue} means {label}" for cue, label in zip(cues, labels, strict=True))
    return f"{told}. Classify: {carrier(rng, cues[which], w.syllable_word(rng))}", labels[which]


def call(rng: Random) -> tuple[str, str]:
    """Write a call in a Python-like notation, so that calls are known in another format than the demo's."""
    name, key, other = distinct(rng, 3, _key)
    x, y = distinct(rng, 2)
    return f"Call {name} with {key} {x} and {other} {y}", f"{name}({key}={x}, {other}={y})"


_DRILLS: tuple[tuple[Drill, float], ...] = (
    (copy, 1.0), (reverse, 1.0), (pick, 1.0), (json_list, 1.0), (json_object, 2.5), (fill_schema, 1.5),
    (fill_number, 1.5), (extract, 1.0), (lookup, 1.5), (passage, 2.0), (kind_of, 0.7), (rule, 1.0), (call, 0.8),
)  # fmt: skip
_SYSTEMS = ("Answer briefly.", "You are a helpful assistant.", "Be exact.", "You follow instructions.")


def examples(seed: int, *, warm_up: int = 0) -> Iterator[Exchange]:
    """An endless, reproducible stream of exchanges; copying fills three quarters of the first `warm_up`.

    Copying from the prompt is what every other drill builds on; learning it first saves most of the training.
    """
    rng = Random(seed)
    drills, weights = zip(*_DRILLS, strict=True)
    for index in count():
        drill = copy if index < warm_up and rng.random() < 0.75 else rng.choices(drills, weights)[0]
        prompt, answer = drill(rng)
        system = rng.choice(_SYSTEMS) if rng.random() < 0.08 else None
        yield Exchange(prompt=prompt, answer=answer, system=system)
