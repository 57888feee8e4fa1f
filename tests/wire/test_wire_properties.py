from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_samples import KINDS, RAW, VALID_PAYLOADS, mutated

from hortus.wire.codec import decode_any_layout, encode_raw_measurement
from hortus.wire.errors import WireError
from hortus.wire.messages import RawMeasurement
from hortus.wire.raw_layout import decode_usual_layout

RAW_PAYLOADS = [payload for root, payload in VALID_PAYLOADS if root == "RawMeasurement"]
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


def _decode_or_wire_error(root: str, payload: bytes) -> None:
    with suppress(WireError):
        KINDS[root].decode(payload)


def _assert_short_cut_agrees(payload: bytes) -> None:
    by_short_cut = decode_usual_layout(payload)
    if by_short_cut is None:
        return
    by_library = decode_any_layout(payload)
    assert by_short_cut == by_library
    # Equal is not identical: 0.0 == -0.0, so the text is compared as well.
    assert repr(by_short_cut) == repr(by_library)
