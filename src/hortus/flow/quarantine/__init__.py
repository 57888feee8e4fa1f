"""Messages in quarantine: stored with a reason, and replayed or purged by an operator."""
