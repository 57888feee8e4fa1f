"""Media of kits: pictures and other files, their objects, thumbnails and deletion."""
