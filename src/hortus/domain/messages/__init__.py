"""Messages to users: a queue in the database, delivered by mail or through services that users add."""
