from __future__ import annotations

import contextlib

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from hortus.base.database.url import DatabaseUrl, Host, InvalidDatabaseUrl
from hortus.base.embedded_postgres.postgres import EmbeddedPostgres
from hortus.base.errors import UsageError

PLAIN = DatabaseUrl(
    hosts=(Host(name="db.example", port=6543),), database="plants", user="kim", password="p@ss/word"
)
SOCKET = DatabaseUrl(hosts=(Host(name="/run/postgresql"),), database="plants", user="kim")


@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "POSTGRESQL", "postgresql+psycopg2", "postgresql+asyncpg", "postgresql+psycopg"],
)
def test_every_scheme_of_postgresql_means_the_same(scheme):
    assert DatabaseUrl.parse(f"{scheme}://kim:p%40ss%2Fword@db.example:6543/plants") == PLAIN


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///plants?host=/run/postgresql&user=kim",
        "postgresql://kim@/plants?host=/run/postgresql&port=5432",
        "postgresql://kim@%2Frun%2Fpostgresql/plants",
        "postgresql+asyncpg://?host=/run/postgresql&user=kim&dbname=plants",
    ],
)
def test_every_way_to_name_a_socket_means_the_same(url):
    assert DatabaseUrl.parse(url) == SOCKET


def test_the_url_is_written_out_for_each_program():
    url = DatabaseUrl.parse(
        "postgres://kim:p%40ss%2Fword@db.example/plants?sslmode=require&connect_timeout=10"
        "&application_name=hortus&keepalives_idle=30&command_timeout=2.5"
    )

    assert url.libpq() == (
        "postgresql://kim:p%40ss%2Fword@db.example:5432/plants"
        "?sslmode=require&connect_timeout=10&application_name=hortus&keepalives_idle=30"
    )
    assert url.sqlalchemy() == "postgresql+asyncpg://kim:p%40ss%2Fword@db.example:5432/plants?ssl=require"
    assert url.asyncpg_arguments() == {
        "dsn": "postgresql://kim:p%40ss%2Fword@db.example:5432/plants?sslmode=require",
        "timeout": 10,
        "server_settings": {"application_name": "hortus"},
        "command_timeout": 2.5,
    }


def test_several_hosts_are_kept_in_order():
    url = DatabaseUrl.parse("postgresql://kim@a,[::1]:6000/plants")

    assert url.hosts == (Host(name="a"), Host(name="::1", port=6000))
    assert url.libpq() == "postgresql://kim@a:5432,[::1]:6000/plants"
    assert url.sqlalchemy() == "postgresql+asyncpg://kim@/plants?host=a,%3A%3A1&port=5432,6000"
    assert DatabaseUrl.parse("postgresql://kim@/plants?host=a:5432&host=[::1]:6000") == url


def test_a_waiting_time_of_zero_means_for_ever():
    assert DatabaseUrl.parse("postgresql://h/d?connect_timeout=0").asyncpg_arguments()["timeout"] is None


def test_quotation_marks_of_an_environment_file_are_ignored():
    assert DatabaseUrl.parse(' "postgresql://kim@h/d" ') == DatabaseUrl.parse("postgresql://kim@h/d")


def test_no_form_that_is_shown_contains_a_password():
    url = DatabaseUrl.parse("postgresql://kim:geheim@h/d?sslpassword=geheim&sslmode=require")

    assert url.redacted() == "postgresql://kim:***@h:5432/d?sslpassword=***&sslmode=require"
    assert "geheim" not in f"{url} {url!r}"


@pytest.mark.parametrize(
    ("url", "part_of_message"),
    [
        ("mysql://kim@h/d", "must begin with postgresql://"),
        ("jdbc:postgresql://h/d", "must begin with postgresql://"),
        ("", "must begin with postgresql://"),
        ("postgresql://kim:geheim/x@h/d", "port that is not a number"),
        ("postgresql://kim:geheim@h:0/d", "port that is not a number"),
        ("postgresql://kim:geheim#x@h/d", "contains a #"),
        ("postgresql://kim:geheim%FF@h/d", "not UTF-8"),
        ("postgresql://kim:geheim%00@h/d", "zero byte"),
        ("postgresql://kim:geheim@[::1/d", "closing bracket"),
        ("postgresql://kim:geheim@/d?host=a,b&port=1,2,3", "different number of hosts and ports"),
        ("postgresql://kim:geheim@h/d?sslmode=maybe", "verify-full"),
        ("postgresql://kim:geheim@h/d?sslmod=require", "does not know"),
        ("postgresql://kim:geheim@h/d?connect_timeout=soon", "connect_timeout"),
        ("postgresql://kim:geheim@h/d?sslmode", "parameter without a value"),
    ],
)
def test_faults_are_reported_without_the_password(url, part_of_message):
    with pytest.raises(InvalidDatabaseUrl, match=r"^[A-Z].*\.$") as caught:
        DatabaseUrl.parse(url)

    assert part_of_message in str(caught.value)
    assert "geheim" not in str(caught.value)


@given(st.text())
def test_any_text_gives_a_url_or_our_error(text_):
    for candidate in (text_, f"postgresql://{text_}", f"postgresql://h/d?{text_}"):
        with contextlib.suppress(UsageError):
            DatabaseUrl.parse(candidate)


NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)


@given(user=NAMES, password=NAMES, database=NAMES)
def test_names_with_any_characters_survive_writing_and_reading(user, password, database):
    url = DatabaseUrl(hosts=(Host(name="h"),), user=user, password=password, database=database)

    assert DatabaseUrl.parse(url.libpq()) == url
    assert DatabaseUrl.parse(url.sqlalchemy()) == url
    assert DatabaseUrl.parse(url.asyncpg_arguments()["dsn"]) == url


@pytest.mark.parametrize("by_socket", [False, True])
async def test_drivers_connect_with_what_is_written_for_them(postgres_server: EmbeddedPostgres, by_socket):
    url = postgres_server.socket_url if by_socket else postgres_server.url
    assert url is not None
    connection = await asyncpg.connect(**url.asyncpg_arguments())
    assert await connection.fetchval("SELECT current_user") == "hortus"
    await connection.close()

    for arguments in ({}, url.asyncpg_arguments()):
        engine = create_async_engine(url.sqlalchemy(), connect_args=arguments)
        async with engine.connect() as session:
            assert (await session.execute(text("SELECT current_user"))).scalar() == "hortus"
        await engine.dispose()
