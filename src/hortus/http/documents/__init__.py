"""The JSON of each thing, as the API and the live feed show it."""
