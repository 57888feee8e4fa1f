from __future__ import annotations

import pytest

from hortus.base.installation.secret_store import SecretExposed, Secrets


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


def test_an_empty_file_is_no_secret(tmp_path):
    (tmp_path / "token").touch(mode=0o600)

    assert Secrets(tmp_path).get_or_create("token", lambda: "new") == "new"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_can_read_is_refused_without_showing_it(tmp_path, mode):
    path = tmp_path / "token"
    path.write_text("geheim")
    path.chmod(mode)

    with pytest.raises(SecretExposed) as caught:
        Secrets(tmp_path).get_or_create("token")

    assert str(caught.value) == (
        f"Other users of this machine can read the secret {path}. Run `chmod 600 {path}`; if you do "
        "not trust all of them, delete it first to have a new one made."
    )
