"""Species: those that ship with Hortus, and one's own."""
