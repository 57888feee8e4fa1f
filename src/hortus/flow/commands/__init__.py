"""Commands to kits: requested by users, sent one at a time per kit, and recorded with their outcome."""
