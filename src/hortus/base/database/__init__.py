"""Schema, migrations, partitions, connections."""
