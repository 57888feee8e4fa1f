"""The page of a kit for everybody who has its public link."""
