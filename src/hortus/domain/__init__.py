"""What Hortus knows about: accounts, kits, series, plants, alerts. Each with its rules, tables and SQL."""
