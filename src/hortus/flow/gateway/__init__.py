"""The gateway for boards that can only do plain HTTP: takes readings, makes them durable, brings them on."""
