"""Pictures and files of kits."""
