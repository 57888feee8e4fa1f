"""Series, which users chart: listing them, their rollups, and the points of a chart."""
