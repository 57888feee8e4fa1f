"""Series: what a person charts. Their list, their rollups, and the points of a chart."""
