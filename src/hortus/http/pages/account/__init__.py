"""The pages of one's own account, and those that make one."""
