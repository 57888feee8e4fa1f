"""Lets `python -m hortus` do what `hortus` does."""

from hortus.cli import main

if __name__ == "__main__":
    main()
