"""The API of PlantKeeper's backend, for its clients (docs/plantkeeper-api.md)."""
