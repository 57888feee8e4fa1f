"""Measures the wire codec in microseconds per decode and encode: `python bench/wire_codec.py`.

The best of five rounds for each path, on the vectors of kit-mqtt 3.4.
"""

from __future__ import annotations

import json
import random
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hortus.protocol.wire import codec
from hortus.protocol.wire.messages import Media, RawMeasurement
from hortus.protocol.wire.raw_layout import decode_usual_layout, decode_usual_words

VECTORS = Path(__file__).parent.parent / "tests" / "wire" / "vectors" / "kit-mqtt-vectors.json"
ROUNDS = 5


def main() -> None:
    payloads = {
        vector["name"]: bytes.fromhex(vector["packedHex"])
        for vector in json.loads(VECTORS.read_text())["vectors"]
    }
    for name in ("raw-1", "captured-raw"):
        report(f"decode {name}, as shipped", codec.decode_raw_measurement, payloads[name])
        report(f"decode {name}, short cut alone", decode_usual_layout, payloads[name])
        report(f"decode {name}, its words unpacked", decode_usual_words, payloads[name])
        report(f"decode {name}, library alone", codec.decode_any_layout, payloads[name])
    report("decode raw-3-kafka, as shipped", codec.decode_raw_measurement, payloads["raw-3-kafka"])
    report("encode raw-1", codec.encode_raw_measurement, codec.decode_raw_measurement(payloads["raw-1"]))
    report("decode captured-aggregate", codec.decode_aggregate_measurement, payloads["captured-aggregate"])
    report("decode server request", codec.decode_server_rpc_request, payloads["server-req-getQuantityTypes"])
    report("construct RawMeasurement", _construct, None)
    stream = _stream_of_readings()
    hits = sum(decode_usual_layout(payload) is not None for payload in stream)
    print(f"{hits / len(stream):.1%} of a stream of random readings take the short cut")
    best = min(
        timeit.repeat(lambda: [codec.decode_raw_measurement(p) for p in stream], number=1, repeat=ROUNDS)
    )
    print(f"{'decode one of that stream':40} {best / len(stream) * 1e6:10.2f} µs")
    picture = Media(
        id=bytes(range(16)),
        datetime_ms=1,
        peripheral=1,
        name="regular.png",
        type="image/png",
        data=bytes(range(1, 256)) * 12_000,
        metadata="null",
    )
    report("decode a picture of 3 MB", codec.decode_media, codec.encode_media(picture), repeats=20)


def _stream_of_readings() -> list[bytes]:
    """Random ids and times, half of the values with one decimal and half with all digits of a double."""
    chance = random.Random(1)
    return [
        codec.encode_raw_measurement(
            RawMeasurement(
                id=chance.randbytes(16),
                datetime_ms=1_795_353_940_538 + chance.randrange(10**10),
                peripheral=chance.randrange(1, 500),
                quantity_type=chance.randrange(1, 12),
                value=chance.choice([round(value := chance.uniform(0, 100), 1), value]),
            )
        )
        for _ in range(20_000)
    ]


def _construct(_: None) -> RawMeasurement:
    return RawMeasurement(id=b"", datetime_ms=1, peripheral=1, quantity_type=1, value=1.0, kit_serial="")


def report(label: str, function: Callable[[Any], Any], argument: Any, *, repeats: int = 20_000) -> None:
    best = min(timeit.repeat(lambda: function(argument), number=repeats, repeat=ROUNDS)) / repeats
    print(f"{label:40} {best * 1e6:10.2f} µs")


if __name__ == "__main__":
    main()
