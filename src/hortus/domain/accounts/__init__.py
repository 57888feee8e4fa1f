"""People who use Hortus."""
