"""The data directory of a one-box installation: lock, version, secrets, record of the running process."""
