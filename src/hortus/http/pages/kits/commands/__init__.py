"""The page of a kit's commands: sending one, and the ledger in which each lives through its states."""
