"""Messages set aside with a reason."""
