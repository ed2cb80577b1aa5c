"""Turn text into a vector, here and the same way everywhere: hashed words and parts of words.

Model:    every word (weight 2) and every three letters in a row of it (weight 1, the word's ends marked) add ±weight to one of 256
          places, both chosen by CRC-32; the sum has length 1. Texts that share words or parts of words lie close to each other.
Not this: a model of language. "car" and "automobile" are strangers to it. It needs no network and no accelerator, takes some ten
          microseconds a sentence, and puts the same work on the database as any other vector of 256 numbers.
Source:   K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

DIMENSIONS = 256
_WORD = re.compile(r"\w+")
_WORDS_MAX = 400


def embed(text: str) -> list[float]:
    """Return the vector of *text*, of length 1; of text without a word, one that is as far from everything as from anything."""
    places: defaultdict[int, float] = defaultdict(float)
    for word in _WORD.findall(text.lower())[:_WORDS_MAX]:
        for place, weight in _parts(word):
            places[place] += weight
    length = math.sqrt(sum(weight * weight for weight in places.values()))
    if length == 0:
        return [1 / math.sqrt(DIMENSIONS)] * DIMENSIONS
    vector = [0.0] * DIMENSIONS
    for place, weight in places.items():
        vector[place] = weight / length
    return vector


def written(vector: Sequence[float]) -> str:
    """Return *vector* as pgvector reads it."""
    return "[" + ",".join(f"{value:.6g}" for value in vector) + "]"


@lru_cache(maxsize=20_000)
def _parts(word: str) -> tuple[tuple[int, float], ...]:
    marked = f"<{word[:60]}>"
    features = [(f"w:{word[:60]}", 2.0)] + [(marked[at : at + 3], 1.0) for at in range(len(marked) - 2)]
    hashes = [(crc32(feature.encode("utf-8", "replace")), weight) for feature, weight in features]
    return tuple(((value >> 1) % DIMENSIONS, weight if value & 1 else -weight) for value, weight in hashes)
