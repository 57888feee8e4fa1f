"""The gateway for boards that only support plain HTTP: accepts readings, makes them durable, forwards them."""
