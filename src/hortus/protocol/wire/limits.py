"""Size limits of each kind of message, packed and unpacked, and of its texts.

A payload is packed; packing can shrink zeros 1024-fold, so a small payload may claim to unpack to a huge size.
Both sizes are bounded, the second before anything is unpacked.
"""

from __future__ import annotations

from dataclasses import dataclass

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE

# Year 9999, the last one that Python's datetime holds (PostgreSQL's timestamptz goes further).
MAXIMUM_DATETIME_MS = 253_402_300_799_999

ID_BYTES = 16
MAXIMUM_AGGREGATE_VALUES = 16
MAXIMUM_AGGREGATE_TYPE_CHARACTERS = 50
# Entries before duplicates collapse: bounds the work for a list that repeats one type.
MAXIMUM_AGGREGATE_ENTRIES = 256

# Serials, names, versions and media types; the data model stores at most 255 characters of any of them.
MAXIMUM_NAME_CHARACTERS = 255
MAXIMUM_METADATA_CHARACTERS = 64 * KIBIBYTE
MAXIMUM_COMMAND_CHARACTERS = 48 * KIBIBYTE
MAXIMUM_DOCUMENT_CHARACTERS = 1 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """Limits of one kind of message."""

    root: str
    maximum_payload_bytes: int
    maximum_unpacked_bytes: int

    def allowed_unpacked_bytes(self, payload_bytes: int) -> int:
        """Return the size to which a payload of this size may unpack.

        16-fold plus 1 MiB: real messages grow at most about three-fold and pictures hardly at all, while a
        hostile 65 KB could otherwise cost 64 MiB. For the small kinds their own maximum is below this.
        """
        return min(self.maximum_unpacked_bytes, 16 * payload_bytes + MEBIBYTE)


# A kit's reading takes 45-51 bytes packed and 80 unpacked, one with a serial 16 bytes more.
RAW_MEASUREMENT = MessageLimits(
    root="RawMeasurement", maximum_payload_bytes=1 * KIBIBYTE, maximum_unpacked_bytes=8 * KIBIBYTE
)
# A kit's four values take 110-140 bytes; 16 values with types of 50 four-byte characters about 4 KiB.
AGGREGATE_MEASUREMENT = MessageLimits(
    root="AggregateMeasurement", maximum_payload_bytes=16 * KIBIBYTE, maximum_unpacked_bytes=64 * KIBIBYTE
)
# The limit of the existing decoders; pictures of several MiB are common.
MEDIA = MessageLimits(root="Media", maximum_payload_bytes=64 * MEBIBYTE, maximum_unpacked_bytes=64 * MEBIBYTE)
# 8 bytes as kits send it; it has no texts.
SERVER_RPC_REQUEST = MessageLimits(
    root="ServerRpcRequest", maximum_payload_bytes=1 * KIBIBYTE, maximum_unpacked_bytes=8 * KIBIBYTE
)
# Carries a configuration or all quantity types as JSON: tens of KiB, up to 4 bytes per character.
SERVER_RPC_RESPONSE = MessageLimits(
    root="ServerRpcResponse", maximum_payload_bytes=8 * MEBIBYTE, maximum_unpacked_bytes=8 * MEBIBYTE
)
# A name and a JSON command.
KIT_RPC_REQUEST = MessageLimits(
    root="KitRpcRequest", maximum_payload_bytes=256 * KIBIBYTE, maximum_unpacked_bytes=1 * MEBIBYTE
)
# May carry the picture returned by a camera command, so it is as large as media.
KIT_RPC_RESPONSE = MessageLimits(
    root="KitRpcResponse", maximum_payload_bytes=64 * MEBIBYTE, maximum_unpacked_bytes=64 * MEBIBYTE
)
