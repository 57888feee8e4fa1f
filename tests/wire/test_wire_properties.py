from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_samples import KINDS, RAW, VALID_PAYLOADS, mutated

from hortus.protocol.wire.codec import (
    decode_any_layout,
    decode_kit_rpc_response,
    encode_raw_measurement,
    peek_kit_rpc_response_id,
)
from hortus.protocol.wire.errors import WireError
from hortus.protocol.wire.messages import RawMeasurement
from hortus.protocol.wire.raw_layout import decode_usual_layout, decode_usual_words

RAW_PAYLOADS = [payload for root, payload in VALID_PAYLOADS if root == "RawMeasurement"]
ANSWERS = [payload for root, payload in VALID_PAYLOADS if root == "KitRpcResponse"]
VALUE_OR_OUR_ERROR = settings(max_examples=300, deadline=None)


@pytest.mark.parametrize("root", KINDS)
def test_decoding_inverts_encoding(root: str) -> None:
    kind = KINDS[root]

    @settings(max_examples=100, deadline=None)
    @given(kind.values)
    def holds(value: Any) -> None:
        assert kind.decode(kind.encode(value)) == value

    holds()


@VALUE_OR_OUR_ERROR
@given(KINDS["KitRpcResponse"].values)
def test_the_id_of_an_answer_is_known_without_decoding_it(response: Any) -> None:
    assert peek_kit_rpc_response_id(KINDS["KitRpcResponse"].encode(response)) == response.id


@settings(VALUE_OR_OUR_ERROR, max_examples=1500)
@given(st.binary(max_size=400) | st.sampled_from(ANSWERS).flatmap(mutated))
def test_a_damaged_answer_has_the_id_that_decoding_finds_or_none(payload: bytes) -> None:
    found = peek_kit_rpc_response_id(payload)
    with suppress(WireError):
        assert found in {decode_kit_rpc_response(payload).id, None}


@VALUE_OR_OUR_ERROR
@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=400))
def test_random_bytes_give_a_value_or_a_wire_error(root: str, payload: bytes) -> None:
    _decode_or_wire_error(root, payload)


@settings(VALUE_OR_OUR_ERROR, max_examples=1500)
@given(st.sampled_from(VALID_PAYLOADS).flatmap(lambda case: st.tuples(st.just(case[0]), mutated(case[1]))))
def test_damaged_messages_give_a_value_or_a_wire_error(case: tuple[str, bytes]) -> None:
    _decode_or_wire_error(*case)


@VALUE_OR_OUR_ERROR
@given(st.sampled_from(sorted(KINDS)), st.sampled_from(VALID_PAYLOADS))
def test_a_message_of_another_kind_gives_a_value_or_a_wire_error(root: str, case: tuple[str, bytes]) -> None:
    _decode_or_wire_error(root, case[1])


@settings(max_examples=500, deadline=None)
@given(RAW)
def test_short_cut_agrees_with_the_library_on_valid_readings(measurement: RawMeasurement) -> None:
    _assert_short_cut_agrees(encode_raw_measurement(measurement))


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(RAW_PAYLOADS).flatmap(mutated))
def test_short_cut_agrees_with_the_library_on_damaged_readings(payload: bytes) -> None:
    _assert_short_cut_agrees(payload)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60).map(lambda tail: bytes.fromhex("10095003023f") + tail) | st.binary(max_size=99))
def test_short_cut_agrees_with_the_library_on_random_bytes(payload: bytes) -> None:
    _assert_short_cut_agrees(payload)


@pytest.mark.parametrize("payload", RAW_PAYLOADS)
def test_short_cut_agrees_with_the_library_on_every_single_byte_changed(payload: bytes) -> None:
    for position in range(len(payload)):
        for byte in range(256):
            _assert_short_cut_agrees(payload[:position] + bytes([byte]) + payload[position + 1 :])


@pytest.mark.parametrize("payload", RAW_PAYLOADS)
def test_short_cut_agrees_with_the_library_on_every_length(payload: bytes) -> None:
    for length in range(len(payload)):
        _assert_short_cut_agrees(payload[:length])


@pytest.mark.parametrize(
    ("peripheral", "quantity_type", "value"),
    [(17, 3, 21.5), (300, 3, -0.1), (17, 3, 0.0), (65535, 255, 1e-300), (1, 1, 400.0), (1, 1, 21.3)],
)
def test_usual_readings_take_the_short_cut(peripheral: int, quantity_type: int, value: float) -> None:
    measurement = RawMeasurement(
        id=bytes(range(1, 17)),
        datetime_ms=1_795_353_940_538,
        peripheral=peripheral,
        quantity_type=quantity_type,
        value=value,
    )

    assert decode_usual_layout(encode_raw_measurement(measurement)) == measurement


@pytest.mark.parametrize(
    ("id_", "datetime_ms", "peripheral", "value"),
    [
        (bytes([0, *range(1, 16)]), 1_795_353_940_538, 17, 21.37),
        (bytes([*range(1, 9), 0, 0, 0, *range(1, 6)]), 1_795_353_940_538, 17, 21.37),
        (bytes(16), 1_795_353_940_538, 17, 21.37),
        (bytes(range(1, 17)), 0x01A2_0000_0700, 256, 21.37),
        (bytes(range(1, 17)), 1_795_353_940_538, -2, float.fromhex("0x1.500a3p4")),
        (bytes(16), 0, 0, 0.0),
    ],
)
def test_readings_with_zeros_among_their_bytes_need_no_library(
    id_: bytes, datetime_ms: int, peripheral: int, value: float
) -> None:
    measurement = RawMeasurement(
        id=id_, datetime_ms=datetime_ms, peripheral=peripheral, quantity_type=3, value=value
    )

    assert decode_usual_words(encode_raw_measurement(measurement)) == measurement


def test_a_reading_whose_last_run_is_cut_off_is_not_taken_for_a_whole_one() -> None:
    payload = encode_raw_measurement(
        RawMeasurement(
            id=bytes(range(1, 17)), datetime_ms=1_795_353_940_538, peripheral=17, quantity_type=3, value=21.37
        )
    )
    # The run after the id's first word claims three words; there are two, with as many bytes as the whole has.
    claims_too_much = payload[:-11] + b"\x03" + payload[-10:-2] + bytes(8)

    assert decode_usual_words(claims_too_much) is None
    with pytest.raises(WireError):
        decode_any_layout(claims_too_much)


def _decode_or_wire_error(root: str, payload: bytes) -> None:
    with suppress(WireError):
        KINDS[root].decode(payload)


def _assert_short_cut_agrees(payload: bytes) -> None:
    for short_cut in (decode_usual_layout, decode_usual_words):
        by_short_cut = short_cut(payload)
        if by_short_cut is not None:
            by_library = decode_any_layout(payload)
            assert by_short_cut == by_library
            # Equal is not identical: 0.0 == -0.0, so the text is compared as well.
            assert repr(by_short_cut) == repr(by_library)
