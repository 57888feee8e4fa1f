"""What administrators see and do: their log, and what an installation stores."""
