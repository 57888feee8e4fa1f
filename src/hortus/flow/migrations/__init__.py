"""The schema of the database as a whole, and the migrations that lead to it."""
