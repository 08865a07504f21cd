"""Mutated and random frames into all decoders: a short run here, a million with `make fuzz`.

A run that failed is made again by SEED=… FRAMES=… of its message.
"""

import json
import os
import sys
import time
from random import Random

import pytest

from dogwatch.actors.spot.envelope import MalformedFrame
from dogwatch.actors.spot.frame_decoder import decode_frame
from dogwatch.actors.spot.requests import REQUESTS
from dogwatch.actors.spot.stream_events import StreamEvent, StreamResponse
from dogwatch.actors.spot.stream_frames import decode_stream_frame
from tests.fuzz.examples import api_frame, example, stream_frame
from tests.fuzz.fuzzing import RESULT_TYPES, fuzz
from tests.fuzz.mutations import mutated

SEED = int(os.environ.get("SEED", "0"))
FRAMES = int(os.environ.get("FRAMES", "3000"))


def test_no_frame_makes_a_decoder_raise_what_it_does_not_promise(capsys: pytest.CaptureFixture[str]) -> None:
    started_s = time.perf_counter()
    seen = fuzz(SEED, FRAMES)
    lasted_s = time.perf_counter() - started_s
    assert seen.total() == FRAMES
    assert min(seen.values()) > 0, "one kind of frame never came: what is fuzzed then?"
    with capsys.disabled():
        if FRAMES >= 100_000:
            counts = ", ".join(f"{count:,} {kind}" for kind, count in seen.most_common())
            sys.stdout.write(f"\nfuzz: {FRAMES:,} frames of seed {SEED} in {lasted_s:.0f} s, none escaped: {counts}\n")


def test_frames_are_good_before_they_are_mutated() -> None:
    rng = Random(SEED)
    for _ in range(200):
        wire = api_frame(rng)
        assert not isinstance(decode_frame(json.dumps(wire).encode()), MalformedFrame), wire
        wire = stream_frame(rng)
        assert isinstance(decode_stream_frame(json.dumps(wire).encode()), StreamEvent | StreamResponse), wire
        request = rng.choice(REQUESTS)
        wire = example(RESULT_TYPES[request], rng)
        assert request.decode(json.dumps(wire).encode()) is not None, wire


def test_the_same_seed_makes_the_same_frames() -> None:
    def made() -> list[bytes]:
        rng = Random(SEED)
        return [mutated(stream_frame(rng), rng) for _ in range(100)]

    assert made() == made()
    assert len(set(made())) > 90
