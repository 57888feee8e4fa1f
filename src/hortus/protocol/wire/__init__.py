"""Kit messages: Cap'n Proto bytes to values and back, without any I/O.

`messages` holds the values, `codec` decodes and encodes them, `errors` the one error that comes out.
"""
