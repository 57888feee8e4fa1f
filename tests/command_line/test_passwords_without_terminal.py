"""Without a terminal, as in scripts, a password is read from standard input, or the error says what to do."""

from __future__ import annotations

import os
import subprocess
import sys


def hortus(*arguments: str, database_url: str, said: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hortus", *arguments],
        input=said,
        env=os.environ | {"DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_password_may_be_a_line_of_standard_input(migrated_database_url: str) -> None:
    create = ("user", "create", "ada", "--email", "ada@example.org")
    made = hortus(*create, database_url=migrated_database_url, said="a rose is a rose\n")
    assert (made.returncode, made.stderr) == (0, "")
    assert "User ada can log in now." in made.stdout


def test_without_terminal_and_password_the_error_says_what_to_do(migrated_database_url: str) -> None:
    done = hortus("user", "password", "ada", database_url=migrated_database_url, said="")
    assert (done.returncode, done.stdout) == (2, "")
    assert " ".join(done.stderr.split()) == (
        "There is no terminal to ask for the password at. Send it as a line of standard input, or let one be "
        "made with --generate-password."
    )
