"""The small vocabulary that the pre-training corpus and the demo tasks share.

Words are shared on purpose, phrasings and answer formats are not: the base model knows what a kitchen is
called, and has to learn from the demo's training split what a command means.
"""

from __future__ import annotations

from random import Random

ROOMS = (
    "kitchen", "bedroom", "bathroom", "hallway", "office", "garage", "attic", "nursery", "dining room",
    "living room", "basement", "studio", "porch", "library", "laundry room",
)  # fmt: skip
DOORS = ("front door", "back door", "garage door", "cellar door", "garden gate", "side door", "patio door", "shed door")
COLORS = ("red", "blue", "green", "yellow", "purple", "orange", "white", "pink", "brown", "black", "silver", "golden")
GENRES = ("jazz", "rock", "blues", "folk", "soul", "disco", "opera", "reggae", "techno", "country", "swing", "ambient")
LABELS = ("pasta", "tea", "rice", "laundry", "bread", "soup", "eggs", "pizza", "nap", "homework", "cake", "coffee")
NAMES = (
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jonas", "Kira", "Leo", "Mia",
    "Noah", "Olga", "Paul", "Rosa", "Sam", "Tina", "Victor", "Wendy", "Yusuf", "Zoe", "Omar",
)  # fmt: skip
THINGS = (
    "book", "key", "lamp", "cup", "phone", "coat", "map", "ladder", "violin", "camera", "wallet", "bottle",
    "basket", "hammer", "letter", "umbrella", "bicycle", "clock", "blanket", "ticket", "drum", "mirror", "rope", "vase",
)  # fmt: skip
PLACES = (
    "garden", "museum", "station", "harbor", "market", "school", "castle", "bakery", "forest", "hotel", "theater",
    "bridge", "tower", "river", "stadium", "airport", "park", "church", "farm", "beach",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FOODS = ("apples", "plums", "cheese", "noodles", "cookies", "carrots", "honey", "olives", "salad", "waffles", "nuts")
ANIMALS = ("cat", "dog", "horse", "goat", "parrot", "rabbit", "turtle", "owl", "fox", "duck", "sheep", "hamster")
VERBS = (
    "turn on", "turn off", "switch", "dim", "raise", "lower", "open", "close", "start", "stop", "set", "lock",
    "unlock", "warm", "cool", "clean", "play", "remind", "make", "put", "bring", "change", "adjust", "fill",
)  # fmt: skip
FILLERS = (
    "please", "now", "today", "the", "a", "in", "to", "for", "with", "at", "on", "my", "our", "is", "was", "and",
    "percent", "degrees", "minutes", "light", "music", "heating", "timer", "door", "blinds", "vacuum", "color",
    "thank you", "I need", "could you", "can you", "why", "how", "again", "very", "broken", "happy", "hurry",
    "brightness", "temperature", "volume", "thermostat", "curtains", "alarm", "station", "songs", "warmer", "brighter",
    "level", "half", "countdown", "robot", "floor", "bulbs", "shades", "want", "would like", "let", "get", "give", "up",
    "down", "from", "until", "about", "right away", "great", "wonderful", "terrible", "tired of", "grateful", "wonder",
    "urgent", "what", "where", "when", "who", "which", "many", "much", "there", "this", "that", "of", "by", "it", "be",
    "everyone", "morning", "evening", "tonight", "house", "somebody", "message", "answer", "question", "called", "left",
    "bought", "sold", "lost", "wrote", "painted", "lives", "works", "keeps", "costs", "opens", "begins", "belongs",
)  # fmt: skip

POOLS = (ROOMS, DOORS, COLORS, GENRES, LABELS, NAMES, THINGS, PLACES, DAYS, FOODS, ANIMALS, VERBS, FILLERS)
_ONSETS = (
    "b",
    "br",
    "ch",
    "d",
    "f",
    "fl",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "v",
    "w",
    "z",
)
_NUCLEI = ("a", "e", "i", "o", "u", "ai", "ee", "oo", "ou")
_CODAS = ("", "", "", "n", "r", "l", "s", "t", "m", "ck", "nd")


def syllable_word(rng: Random) -> str:
    """An invented word of one to three syllables, so that copying cannot be learned by heart."""
    word = "".join(
        rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(rng.choice((1, 2, 2, 3)))
    )
    return word.capitalize() if rng.random() < 0.1 else word


def any_word(rng: Random) -> str:
    """A real word half of the time, an invented one or a number otherwise."""
    roll = rng.random()
    if roll < 0.5:
        return rng.choice(rng.choice(POOLS))
    return syllable_word(rng) if roll < 0.85 else number(rng)


def number(rng: Random) -> str:
    """A whole number of one to three digits, mostly below 100."""
    return str(rng.randint(0, 100) if rng.random() < 0.85 else rng.randint(101, 999))
