"""The HTTP API: what is common to all its addresses. The endpoints themselves lie with what they are about."""
