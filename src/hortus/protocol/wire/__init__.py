"""Kit messages: Cap'n Proto bytes to values and back, without any I/O.

`messages` holds the values, `codec` decodes and encodes them, `errors` defines the one error that it raises.
"""
