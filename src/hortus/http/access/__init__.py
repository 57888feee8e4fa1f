"""Who is calling, what they may see and do, and how often."""
