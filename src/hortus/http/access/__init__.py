"""Who sends a request, what they may see and do, and how often."""
