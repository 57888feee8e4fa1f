"""What is served over HTTP: pages, the APIs, the live feed, health and metrics."""
