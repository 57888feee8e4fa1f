"""The inbox of alerts, and what people do about them."""
