"""The endpoints of `/api`, one module per subject."""
