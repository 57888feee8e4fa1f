"""The live feed: pushes stored values to subscribers who may see them."""
