"""The pages of a kit's configurations: the list, each one with its devices and rules, and activating it."""
