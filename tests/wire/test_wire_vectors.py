from __future__ import annotations

from typing import Any

import pytest
from wire_samples import KINDS, MALFORMED, VALID, value_of

from hortus.protocol.reasons import Reason
from hortus.protocol.wire import messages as m
from hortus.protocol.wire.errors import WireError

# Malformed vectors: those that the codec refuses, and those that decode because their fault only shows against
# the kit's configuration, or is one that kit-mqtt 6 accepts.
REFUSED = {
    "raw-empty-payload": Reason.EMPTY_PAYLOAD,
    "raw-truncated": Reason.UNDECODABLE,
    "raw-null-root": Reason.BAD_ID,
    "raw-id-15-bytes": Reason.BAD_ID,
    "raw-id-17-bytes": Reason.BAD_ID,
    "raw-datetime-max-uint64": Reason.TIME_OUT_OF_RANGE,
    "raw-value-nan": Reason.VALUE_NOT_FINITE,
    "raw-value-inf": Reason.VALUE_NOT_FINITE,
    "agg-no-values": Reason.AGGREGATE_WITHOUT_VALUES,
    "agg-17-values": Reason.AGGREGATE_TOO_MANY_VALUES,
    "agg-type-empty": Reason.AGGREGATE_TYPE_LENGTH,
    "agg-type-51-chars": Reason.AGGREGATE_TYPE_LENGTH,
    "agg-value-nan": Reason.VALUE_NOT_FINITE,
    "agg-end-before-start": Reason.AGGREGATE_END_BEFORE_START,
    "agg-type-invalid-utf8": Reason.TEXT_NOT_UTF8,
}
_RAW_ID = bytes.fromhex("0f1e2d3c4b5a49688776655443322110")


def _raw(**changes: Any) -> m.RawMeasurement:
    fields = {"id": _RAW_ID, "datetime_ms": 1712345678901, "peripheral": 17, "quantity_type": 3}
    return m.RawMeasurement(**{**fields, "value": 21.5, **changes})


def _aggregate(*values: tuple[str, float]) -> m.AggregateMeasurement:
    return m.AggregateMeasurement(
        id=_RAW_ID,
        datetime_start_ms=1712343600000,
        datetime_end_ms=1712345400000,
        peripheral=17,
        quantity_type=3,
        values=values,
    )


DECODED = {
    "raw-foreign-serial": _raw(kit_serial="k-9999-9999-9999"),
    "raw-trailing-bytes": _raw(),
    "raw-negative-peripheral": _raw(peripheral=-1),
    "agg-16-values": _aggregate(*((f"t{n:02}", float(n)) for n in range(16))),
    "agg-type-50-chars": _aggregate(("a" * 50, 1.0)),
    "agg-type-duplicate": _aggregate(("average", 2.0)),
    "server-req-unknown-method": m.ServerRpcRequest(id=42, call=m.Unrecognised()),
    "server-req-null-root": m.ServerRpcRequest(id=0, call=m.VersionCall()),
    "kit-resp-unknown-variant": m.KitRpcResponse(id=42, result=m.Unrecognised()),
    "kit-resp-unknown-error": m.KitRpcResponse(id=42, result=m.Unrecognised()),
}


def _by_name(vectors: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {vector["name"]: vector for vector in vectors}


@pytest.mark.parametrize("vector", VALID, ids=list(_by_name(VALID)))
def test_valid_vector_decodes_to_its_fields_and_encodes_to_its_bytes(vector: dict[str, Any]) -> None:
    kind, payload = KINDS[vector["struct"]], bytes.fromhex(vector["packedHex"])

    assert kind.decode(payload) == value_of(vector)
    assert kind.encode(value_of(vector)) == payload


def test_every_malformed_vector_has_an_expectation() -> None:
    assert set(_by_name(MALFORMED)) == set(REFUSED) | set(DECODED)


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_vector_is_refused_with_its_reason(name: str) -> None:
    vector = _by_name(MALFORMED)[name]

    with pytest.raises(WireError) as caught:
        KINDS[vector["struct"]].decode(bytes.fromhex(vector["packedHex"]))

    assert caught.value.reason is REFUSED[name]
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("name", DECODED)
def test_edge_vector_decodes_to_what_it_says(name: str) -> None:
    vector = _by_name(MALFORMED)[name]

    assert KINDS[vector["struct"]].decode(bytes.fromhex(vector["packedHex"])) == DECODED[name]
