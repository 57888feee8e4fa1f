"""Corrupts kit messages at random and decodes them: `python bench/fuzz_wire.py --seconds 60 [--seed N]`.

Every payload must yield a value or a WireError, and the fast path for raw measurements must agree with the
library. The current payload is kept in the file --last, because a crash of the process cannot be caught.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections import Counter
from pathlib import Path

from hortus.protocol.wire import codec
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.messages import Media
from hortus.protocol.wire.raw_layout import decode_usual_layout

VECTORS = Path(__file__).parent.parent / "tests" / "wire" / "vectors" / "kit-mqtt-vectors.json"
DECODERS = {
    "RawMeasurement": codec.decode_raw_measurement,
    "AggregateMeasurement": codec.decode_aggregate_measurement,
    "Media": codec.decode_media,
    "ServerRpcRequest": codec.decode_server_rpc_request,
    "ServerRpcResponse": codec.decode_server_rpc_response,
    "KitRpcRequest": codec.decode_kit_rpc_request,
    "KitRpcResponse": codec.decode_kit_rpc_response,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--last", type=Path, default=Path("fuzz_wire_last.hex"))
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.randrange(2**32)
    print(f"seed {seed}")
    outcomes = fuzz(random.Random(seed), arguments.seconds, arguments.last)
    arguments.last.unlink()
    for outcome, count in outcomes.most_common():
        print(f"{count:10} {outcome}")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:10.0f} MiB at most")


def fuzz(chance: random.Random, seconds: float, last: Path) -> Counter[str]:
    seeds = seed_payloads()
    outcomes: Counter[str] = Counter()
    slowest_seconds = 0.0
    deadline = time.monotonic() + seconds
    with last.open("w") as note:
        while time.monotonic() < deadline:
            root, payload = chance.choice(seeds)
            payload = damaged(chance, payload)
            if chance.random() < 0.1:
                root = chance.choice(list(DECODERS))
            note.seek(0)
            note.write(f"{root} {payload.hex()}\n")
            note.flush()
            started = time.perf_counter()
            outcomes[try_one(root, payload)] += 1
            slowest_seconds = max(slowest_seconds, time.perf_counter() - started)
    print(f"slowest decode {slowest_seconds * 1e3:.1f} ms")
    return outcomes


def seed_payloads() -> list[tuple[str, bytes]]:
    document = json.loads(VECTORS.read_text())
    seeds = [
        (vector["struct"], bytes.fromhex(vector["packedHex"]))
        for vector in document["vectors"] + document["malformed"]
    ]
    picture = Media(
        id=bytes(16), datetime_ms=1, peripheral=1, name="a", type="b", data=bytes(range(90)) * 99, metadata=""
    )
    return [*seeds, *[("Media", codec.encode_media(picture))] * 3, *seeds[:3] * 5]


def damaged(chance: random.Random, payload: bytes) -> bytes:
    if chance.random() < 0.02:
        return chance.randbytes(chance.randrange(200))
    data = bytearray(payload)
    for _ in range(chance.randint(1, 4)):
        # The first bytes hold the segment table and the pointers, where corruption matters most.
        position = min(chance.randrange(len(data) + 1), chance.choice([12, 60, len(data)]))
        match chance.randrange(5):
            case 0 | 1:
                data[position : position + 1] = chance.randbytes(1)
            case 2:
                del data[position : position + chance.randint(1, 9)]
            case 3:
                data[position:position] = chance.choice([chance.randbytes(3), b"\x00\xff", b"\xff", b"\x01"])
            case 4 if chance.random() < 0.3:
                del data[position:]
    return bytes(data)


def try_one(root: str, payload: bytes) -> str:
    try:
        value = DECODERS[root](payload)
    except WireError as error:
        return f"{root} {error.reason}"
    if root == "RawMeasurement":
        quick = decode_usual_layout(payload)
        if quick is not None and repr(quick) != repr(codec.decode_any_layout(payload)):
            raise SystemExit(f"The short cut disagrees with the library on {payload.hex()}.")
    return f"{root} {type(value).__name__}"


if __name__ == "__main__":
    main()
