"""The PostgreSQL server of a one-box installation: its files, account, settings, start and stop."""
