"""The JSON representations used by the API and the live feed."""
