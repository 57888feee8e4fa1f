"""Messages to people: a queue in the database, delivered by mail or through services that people name."""
