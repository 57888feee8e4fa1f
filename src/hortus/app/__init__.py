"""The processes that Hortus runs as. Wiring, nothing else."""
