"""The path of a reading: bytes from a transport, values, checks, rows, and only then the acknowledgement."""
