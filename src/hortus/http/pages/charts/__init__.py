"""The charts of a kit: the page, its points for the script, and the file of what is shown."""
