"""The live feed: what was stored, told at once to everybody who may know of it and asked for it."""
