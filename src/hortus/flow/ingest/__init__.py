"""The path of a reading: bytes from a transport, values, checks, rows, and only then the acknowledgement.

See `pipeline` for readings and `media_lane` for media.
"""
