"""Lets `python -m hortus` do what `hortus` does."""

from hortus.app.command_line.main import main

if __name__ == "__main__":
    main()
