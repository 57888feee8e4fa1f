"""Why a kit does not connect, or not all of it: what is known, and what follows from that."""
