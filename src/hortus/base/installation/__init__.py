"""The data directory of a one-box installation: lock, version, secrets, what runs where."""
