"""What every part may use: errors, texts, settings, the database engine, the installation. Knows no kits."""
