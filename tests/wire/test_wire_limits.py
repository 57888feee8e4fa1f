from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import psutil
import pytest
from wire_samples import KINDS, VALID

from hortus.protocol.reasons import Reason
from hortus.protocol.wire import codec, limits
from hortus.protocol.wire import messages as m
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.framing import BrokenFraming, read_segment_table
from hortus.protocol.wire.schema import root

MEBIBYTE = 1024 * 1024
RAW = m.RawMeasurement(id=bytes(range(16)), datetime_ms=1, peripheral=1, quantity_type=1, value=1.0)
AGGREGATE = m.AggregateMeasurement(
    id=bytes(range(16)),
    datetime_start_ms=1,
    datetime_end_ms=1,
    peripheral=1,
    quantity_type=1,
    values=(("count", 1.0),),
)
MEDIA = m.Media(
    id=bytes(range(16)), datetime_ms=1, peripheral=1, name="a", type="b", data=b"c", metadata="null"
)


def payload_that_claims_64_mebibytes() -> bytes:
    """65,540 bytes: a table with one segment of 8,388,607 words, all zero; `00 ff` stands for 256 of them."""
    return bytes.fromhex("70ffff7f") + bytes.fromhex("00ff") * 32_767 + bytes.fromhex("00fe")


def packed(*words: bytes) -> bytes:
    """Return a message of one segment with these words, packed without runs."""
    table = bytes(4) + len(words).to_bytes(4, "little")
    result = b""
    for word in (table, *words):
        tag = sum(1 << index for index, byte in enumerate(word) if byte)
        result += bytes([tag]) + word.replace(b"\0", b"") + (b"\0" if tag in (0x00, 0xFF) else b"")
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_65_kilobytes_that_claim_64_mebibytes_are_refused_without_unpacking(kind: str) -> None:
    payload = payload_that_claims_64_mebibytes()
    assert 65_000 < len(payload) < 66_000
    root("RawMeasurement")  # the schema is loaded once, which is not to be measured
    resident_before = psutil.Process().memory_info().rss
    tracemalloc.start()

    with pytest.raises(WireError) as caught:
        KINDS[kind].decode(payload)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason in (Reason.UNPACKED_TOO_LARGE, Reason.PAYLOAD_TOO_LARGE)
    assert peak_bytes < 100_000
    assert psutil.Process().memory_info().rss - resident_before < 4 * MEBIBYTE


def test_the_library_alone_would_unpack_the_64_mebibytes() -> None:
    # Confirms that the payload above really is the attack that kit-mqtt 3.3 describes.
    reader = root("Media").from_bytes_packed(payload_that_claims_64_mebibytes())

    assert reader.datetime == 0


@pytest.mark.parametrize("kind", KINDS)
def test_payload_above_its_limit_is_refused(kind: str) -> None:
    name = {
        "RawMeasurement": limits.RAW_MEASUREMENT,
        "AggregateMeasurement": limits.AGGREGATE_MEASUREMENT,
        "Media": limits.MEDIA,
        "ServerRpcRequest": limits.SERVER_RPC_REQUEST,
        "ServerRpcResponse": limits.SERVER_RPC_RESPONSE,
        "KitRpcRequest": limits.KIT_RPC_REQUEST,
        "KitRpcResponse": limits.KIT_RPC_RESPONSE,
    }[kind]

    assert _reason(KINDS[kind].decode, bytes(name.maximum_payload_bytes + 1)) is Reason.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize("kind", KINDS)
def test_empty_payload_is_refused(kind: str) -> None:
    assert _reason(KINDS[kind].decode, b"") is Reason.EMPTY_PAYLOAD


def test_the_claimed_size_is_the_size_of_every_valid_vector() -> None:
    for vector in VALID:
        if "unpackedHex" in vector:
            unpacked = bytes.fromhex(vector["unpackedHex"])
            table = read_segment_table(bytes.fromhex(vector["packedHex"]))
            assert table.total_bytes == len(unpacked) - 8


def test_the_claimed_size_counts_every_segment() -> None:
    builder = root("Media").new_message()
    builder.name = "x"
    builder.data = bytes(100_000)
    segments = builder.to_segments()
    assert len(segments) > 1

    table = read_segment_table(builder.to_bytes_packed())

    assert table.segment_bytes == tuple(map(len, segments))


@pytest.mark.parametrize(
    "payload",
    [b"\x00", b"\x10", b"\xff", b"\xff\1\2\3", b"\x01\xff", b"\xff" + b"\xff" * 8 + b"\0", b"\x03\xff\xff"],
)
def test_cut_off_or_endless_segment_tables_are_refused(payload: bytes) -> None:
    with pytest.raises(BrokenFraming):
        read_segment_table(payload)


@pytest.mark.parametrize("size", [0, 1, 8_000, 9_000, 3 * MEBIBYTE])
def test_pictures_of_any_usual_size_are_carried(size: int) -> None:
    # Above 8 KiB the library starts a second segment, which kits' pictures therefore have.
    picture = replace(MEDIA, data=(b"\x89PNG\r\n\x1a\n" * (size // 8 + 1))[:size])

    assert codec.decode_media(codec.encode_media(picture)) == picture


def test_a_list_of_very_many_empty_structs_is_refused() -> None:
    # 2^29-1 elements without any words: they cost no bytes, yet each could be visited.
    zero = bytes(8)
    payload = packed(
        bytes.fromhex("0000000003000300"),  # root: 3 data words, 3 pointers
        *(zero, zero, zero),
        bytes.fromhex("0900000082000000"),  # id: 16 bytes, 2 words further
        zero,
        bytes.fromhex("0900000007000000"),  # values: 0 words of structs, 2 words further
        *(zero, zero),
        ((2**29 - 1) << 2).to_bytes(8, "little"),
    )

    assert _reason(codec.decode_aggregate_measurement, payload) is Reason.UNDECODABLE


def test_a_list_that_repeats_one_type_too_often_is_refused() -> None:
    many = replace(AGGREGATE, values=(("count", 1.0),) * 257)

    assert _reason(codec.encode_aggregate_measurement, many) is Reason.AGGREGATE_TOO_MANY_VALUES


def test_repeated_types_collapse_to_the_last_before_they_are_counted() -> None:
    repeated = replace(AGGREGATE, values=(("a", 1.0), ("b", 2.0)) * 9 + (("a", 3.0),))

    decoded = codec.decode_aggregate_measurement(codec.encode_aggregate_measurement(repeated))

    assert decoded.values == (("a", 3.0), ("b", 2.0))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": b""}, Reason.BAD_ID),
        ({"value": float("-inf")}, Reason.VALUE_NOT_FINITE),
        ({"datetime_ms": -1}, Reason.TIME_OUT_OF_RANGE),
        ({"datetime_ms": 10**15}, Reason.TIME_OUT_OF_RANGE),
        ({"peripheral": 2**31}, Reason.NUMBER_OUT_OF_RANGE),
        ({"quantity_type": -(2**31) - 1}, Reason.NUMBER_OUT_OF_RANGE),
        ({"kit_serial": "k" * 256}, Reason.TEXT_TOO_LONG),
        ({"kit_serial": "\ud800"}, Reason.TEXT_NOT_UTF8),
    ],
)
def test_a_reading_that_a_decoder_would_refuse_is_not_encoded(changes: dict[str, Any], reason: Reason) -> None:
    assert _reason(codec.encode_raw_measurement, replace(RAW, **changes)) is reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ((), Reason.AGGREGATE_WITHOUT_VALUES),
        ((("a\0", 1.0),), Reason.TEXT_WITH_NUL),
        ((("", 1.0),), Reason.AGGREGATE_TYPE_LENGTH),
        ((("a", float("nan")),), Reason.VALUE_NOT_FINITE),
    ],
)
def test_an_aggregate_that_a_decoder_would_refuse_is_not_encoded(values: Any, reason: Reason) -> None:
    assert _reason(codec.encode_aggregate_measurement, replace(AGGREGATE, values=values)) is reason


def test_media_that_a_decoder_would_refuse_is_not_encoded() -> None:
    # The zeros would pack to 40 KB, which claim far more than 16 times their size.
    zeros = replace(MEDIA, data=bytes(40 * MEBIBYTE))

    assert _reason(codec.encode_media, zeros) is Reason.UNPACKED_TOO_LARGE
    assert _reason(codec.encode_media, replace(MEDIA, name="n" * 256)) is Reason.TEXT_TOO_LONG


def test_rpc_messages_that_a_decoder_would_refuse_are_not_encoded() -> None:
    too_large_id = m.ServerRpcRequest(id=2**64, call=m.VersionCall())
    unrecognised = m.ServerRpcRequest(id=1, call=m.Unrecognised())
    long_command = m.PeripheralCommandCall(peripheral="p", command="c" * 99_999)

    assert _reason(codec.encode_server_rpc_request, too_large_id) is Reason.NUMBER_OUT_OF_RANGE
    assert _reason(codec.encode_server_rpc_request, unrecognised) is Reason.UNKNOWN_VARIANT
    assert (
        _reason(codec.encode_kit_rpc_request, m.KitRpcRequest(id=1, call=long_command)) is Reason.TEXT_TOO_LONG
    )


@pytest.mark.parametrize("kind", KINDS)
def test_six_bytes_that_would_end_the_process_are_refused(kind: str) -> None:
    # Two segments, the second truncated: the library throws in a destructor, which aborts.
    assert _reason(KINDS[kind].decode, bytes.fromhex("010101021101")) is Reason.UNDECODABLE


def test_a_picture_cut_off_anywhere_is_refused() -> None:
    payload = codec.encode_media(replace(MEDIA, data=bytes(range(256)) * 40))
    assert len(read_segment_table(payload).segment_bytes) == 2

    for length in range(0, len(payload), 7):
        with pytest.raises(WireError):
            codec.decode_media(payload[:length])


@pytest.mark.parametrize("datetime_ms", [0, 253_402_300_799_999])
def test_the_first_and_the_last_storable_time_are_accepted(datetime_ms: int) -> None:
    measurement = replace(RAW, datetime_ms=datetime_ms)

    assert codec.decode_raw_measurement(codec.encode_raw_measurement(measurement)) == measurement


def test_the_first_time_after_the_year_9999_is_refused() -> None:
    builder = root("RawMeasurement").new_message(id=bytes(range(1, 17)), datetime=253_402_300_800_000)

    assert _reason(codec.decode_raw_measurement, builder.to_bytes_packed()) is Reason.TIME_OUT_OF_RANGE


@pytest.mark.parametrize(
    ("datetime_ms", "advice"),
    [
        (1_800_000_000_000_000, "It would be right in microseconds; kits send milliseconds since 1970."),
        (1_800_000_000_000_000_000, "It would be right in nanoseconds; kits send milliseconds since 1970."),
        (10**15, "Check the clock of the kit."),
        (2**64 - 1, "Check the clock of the kit."),
    ],
)
def test_a_time_that_would_be_right_in_another_unit_is_named_as_such(datetime_ms: int, advice: str) -> None:
    builder = root("RawMeasurement").new_message(id=bytes(range(1, 17)), datetime=datetime_ms)

    with pytest.raises(WireError) as caught:
        codec.decode_raw_measurement(builder.to_bytes_packed())
    assert str(caught.value).endswith(advice)


def test_an_unreadable_answer_of_a_kit_still_names_its_id() -> None:
    builder = root("KitRpcResponse").new_message(id=42, version="x\0y")

    with pytest.raises(WireError) as caught:
        codec.decode_kit_rpc_response(builder.to_bytes_packed())

    assert (caught.value.reason, caught.value.rpc_id) == (Reason.TEXT_WITH_NUL, 42)


def test_a_lock_operation_that_the_schema_does_not_know_is_recognisable() -> None:
    known = codec.encode_kit_rpc_request(
        m.KitRpcRequest(
            id=5, call=m.PeripheralCommandLockCall(peripheral="Heater 1", operation=m.LockOperation.RELEASE)
        )
    )
    unknown = known.replace(bytes.fromhex("0101021101"), bytes.fromhex("0101091101"))
    assert unknown != known

    assert codec.decode_kit_rpc_request(unknown) == m.KitRpcRequest(id=5, call=m.Unrecognised())


def _reason(function: Any, argument: Any) -> Reason:
    with pytest.raises(WireError) as caught:
        function(argument)
    return caught.value.reason
