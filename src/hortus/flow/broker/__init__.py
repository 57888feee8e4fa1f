"""Keeps the kits' accounts and topic permissions at an external Mosquitto in sync with the database.

The accounts live in Mosquitto's dynamic-security plugin. Its configuration is generated from the database
before the broker starts for the first time; every later change is sent to the running broker.
"""
