"""How every endpoint of the API reads a request and answers it."""
