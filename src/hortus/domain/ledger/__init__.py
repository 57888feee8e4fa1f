"""The ledger: how many messages of each kit ended how."""
