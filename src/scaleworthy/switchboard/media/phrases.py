"""What the scripted side says, and how it hears that the caller has finished.

The sound is made, not spoken: a tone per syllable, so that a listener (or a test) can tell phrases apart. The words go into the
transcript.
"""

from __future__ import annotations

import math
from functools import cache

from scaleworthy.switchboard.media.framing import FRAME_BYTES, SILENCE

PHRASES = (
    "Hello, this is Switchboard. How can I help you?",
    "I see. Let me look that up for you.",
    "Thank you. Is there anything else?",
    "All right. Have a good day.",
)
# So many frames without a voice after one with it end the caller's turn: 400 ms.
TURN_FRAMES = 20
_SYLLABLE_FRAMES = 8
_RATE = 8000
_QUIET = bytes((0x7F, 0xFF, 0x7E, 0xFE))
# Voice: more than a tenth of the samples is not silence.
_VOICED_SAMPLES = FRAME_BYTES // 10


def is_voice(sound: bytes) -> bool:
    """Return whether a frame holds a sound."""
    return FRAME_BYTES - sum(map(sound.count, _QUIET)) > _VOICED_SAMPLES


@cache
def frames_of(phrase: int) -> tuple[bytes, ...]:
    """Return the frames of a phrase: for each of its words a tone, then a gap."""
    made: list[bytes] = []
    for word in PHRASES[phrase].split():
        hertz = 200 + sum(word.encode()) % 400
        tone = bytes(
            _mu_law(round(8000 * math.sin(2 * math.pi * hertz * at / _RATE)))
            for at in range(FRAME_BYTES * _SYLLABLE_FRAMES)
        )
        made += [tone[at : at + FRAME_BYTES] for at in range(0, len(tone), FRAME_BYTES)]
        made += [bytes([SILENCE]) * FRAME_BYTES] * 2
    return tuple(made)


def _mu_law(sample: int) -> int:
    """Return a 16-bit sample as μ-law (ITU-T G.711): sign, 3 bits of exponent, 4 of mantissa, all inverted."""
    sign, size = (0x80, -sample) if sample < 0 else (0, sample)
    size = min(size, 32_635) + 132
    exponent = max(0, size.bit_length() - 8)
    return ~(sign | exponent << 4 | (size >> (exponent + 3)) & 0x0F) & 0xFF
