"""Commands to kits: asked by people, sent one at a time, and what came back."""
