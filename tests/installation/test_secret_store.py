from __future__ import annotations

import pytest

from hortus.base.installation.secret_store import SecretDamaged, SecretExposed, Secrets


def test_a_secret_is_made_once_and_kept_for_its_owner_only(tmp_path):
    directory = tmp_path / "secrets"

    made = Secrets(directory).get_or_create("token")

    assert len(made) >= 43
    assert Secrets(directory).get_or_create("token", lambda: "another") == made
    assert Secrets(directory).get("token") == made
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in directory.iterdir()] == ["token"]


def test_an_unknown_secret_is_none(tmp_path):
    assert Secrets(tmp_path / "secrets").get("token") is None


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff\0", "is not text")]
)
@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("api-tokens", "everybody logs in again, waiting messages are lost, people add their notification"),
        ("web-sessions", "everybody logs in to the pages again"),
        ("postgres-owner", "nothing is lost"),
        ("postgres-superuser", "the database cannot be administered"),
        ("mqtt-server", "nothing is lost"),
        ("token", "what depends on the old one no longer works"),
    ],
)
def test_a_damaged_secret_is_left_alone_and_what_a_new_one_costs_is_said(tmp_path, name, cost, content, what):
    path = tmp_path / name
    path.write_bytes(content)
    path.chmod(0o600)

    for use in (Secrets(tmp_path).get, Secrets(tmp_path).get_or_create):
        with pytest.raises(SecretDamaged) as caught:
            use(name)
        said = str(caught.value)
        assert said.startswith(f"The secret {path} {what}. Restore it from a backup.")
        assert f"delete the file and start again: {cost}" in said
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_can_read_is_refused_without_showing_it(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("geheim")
    path.chmod(mode)

    with pytest.raises(SecretExposed) as caught:
        Secrets(tmp_path).get_or_create("token")

    assert str(caught.value) == (
        f"Other users of this machine can read the secret {path}. Run `chmod 600 {path}`; if you do "
        "not trust all of them, delete it first to have a new one made. Then what depends on "
        "the old one no longer works."
    )
