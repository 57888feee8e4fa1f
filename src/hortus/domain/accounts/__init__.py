"""User accounts: log-ins, passwords, profiles, tokens and API keys."""
