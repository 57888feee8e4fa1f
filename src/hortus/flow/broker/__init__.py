"""An external Mosquitto: accounts and topic rights of the kits, kept in step with the database.

Mosquitto's dynamic-security plugin holds the accounts. It is seeded with a document made from the database
before the broker starts for the first time, and told of every change while it runs.
"""
