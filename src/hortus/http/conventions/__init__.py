"""How all endpoints of the API read requests and answer them."""
