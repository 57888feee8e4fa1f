"""Forms made of JSON Schemas on the server, and reading what people enter in them. Pure."""
