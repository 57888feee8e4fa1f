"""The Compose file for many boxes, without an engine: what it says is true of the commands and settings there
are, and every service's very command runs against real services."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from typer._click.exceptions import UsageError
from typer.main import get_command

from hortus.app.command_line.main import app
from hortus.base.settings import Settings
from hortus.flow.gateway.settings import GatewaySettings
from mosquitto_process import Mosquitto
from programs import environment, free_port
from waiting import PATIENCE_SECONDS

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "hortus"}


def settings_by_name() -> dict[str, str]:
    """Every environment variable that a part of Hortus reads, with the type of its value."""
    return {
        str(field.validation_alias or name).upper(): str(field.annotation)
        for settings in (Settings, GatewaySettings)
        for name, field in settings.model_fields.items()
    }


def defaults_by_name() -> dict[str, str]:
    """What the program does without each variable, as text; empty where that is to do without."""
    return {
        str(field.validation_alias or name).upper(): "" if field.default is None else str(field.default)
        for settings in (Settings, GatewaySettings)
        for name, field in settings.model_fields.items()
    }


def variables_of(name: str) -> dict[str, str]:
    """What a service of ours is given, files of secrets under the name of the secret."""
    environment = OURS[name].get("environment") or {}
    known = settings_by_name()
    return {
        variable if variable in known else variable.removesuffix("_FILE"): str(value)
        for variable, value in environment.items()
    }


def command_of(service: dict[str, Any]) -> list[str]:
    """A service's arguments for `hortus`, with the defaults of what an operator may set."""
    return [_with_defaults(argument) for argument in service["command"]]


def _with_defaults(text: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_that_the_program_takes(name: str) -> None:
    assert _parsed(command_of(OURS[name])) is not None


@pytest.mark.parametrize("ingest_to", ["database", "kafka"])
def test_readings_may_go_where_an_operator_says(ingest_to: str) -> None:
    arguments = [text.replace("${INGEST_TO:-database}", ingest_to) for text in SERVICES["ingest"]["command"]]
    assert _parsed(arguments)["to"] == ingest_to


def _parsed(arguments: list[str]) -> dict[str, Any]:
    """Return what the command line's own parser makes of these. Raises its error if they are wrong."""
    command: Any = get_command(app)
    context = command.make_context("hortus", list(arguments))
    while hasattr(command, "resolve_command") and (rest := [*context._protected_args, *context.args]):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    assert not context.args
    parameters: dict[str, Any] = context.params
    return parameters


@pytest.mark.parametrize("wrong", ["web --prot 8080", "ingest --to elsewhere", "nothing", "db upgrade x"])
def test_a_command_line_that_is_wrong_is_noticed(wrong: str) -> None:
    with pytest.raises(UsageError):
        _parsed(wrong.split())


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_every_secret_is_mounted(name: str) -> None:
    service, known = OURS[name], settings_by_name()
    for variable, value in (service.get("environment") or {}).items():
        plain = variable.removesuffix("_FILE")
        assert variable in known or "SecretStr" in known[plain], variable
        if str(value).startswith("/run/secrets/"):
            assert str(value).removeprefix("/run/secrets/") in service["secrets"]
        else:
            assert "SecretStr" not in known.get(variable, ""), f"{variable} is a secret in the clear"
    mounted = {f"/run/secrets/{secret}" for secret in service.get("secrets", ())}
    assert mounted <= {str(value) for value in (service.get("environment") or {}).values()}, "of no use"


# What the file itself decides: broker and volumes are its own, one box is not many, and root starts nothing.
DECIDED_HERE = {
    "HORTUS_RUN_AS",
    "HORTUS_ALLOW_ROOT",
    "HORTUS_DATA_DIR",
    "MQTT_PORT",
    "HORTUS_MQTT_TLS",
    "HORTUS_MQTT_CA_FILE",
    "HORTUS_BROKER_ADMIN_USERNAME",
}


def test_every_setting_reaches_a_service() -> None:
    passed = {variable for name in OURS for variable in variables_of(name)}
    assert settings_by_name().keys() - passed == DECIDED_HERE


@pytest.mark.parametrize(
    ("one_of_them", "services"),
    [
        ("LOG_LEVEL", set(OURS)),
        ("HORTUS_SMTP_URL", {"web", "jobs"}),
        ("HORTUS_PUBLIC_URL", {"web", "jobs"}),
        ("HORTUS_NOTIFICATION_SERVICES", {"web", "jobs"}),
        ("TOKEN_SIGNER_KEY", {"web", "jobs"}),
        ("HORTUS_BROKER_KEY", {"web", "broker-accounts"}),
        ("HORTUS_MEDIA_URL", {"ingest", "sink", "web", "jobs"}),
        ("AWS_S3_ENDPOINT", {"ingest", "sink", "web", "jobs"}),
        ("AWS_SECRET_ACCESS_KEY", {"ingest", "sink", "web", "jobs"}),
        ("HORTUS_CLOCK_TOLERANCE_SECONDS", {"ingest", "sink", "web", "gateway"}),
        ("HORTUS_LATE_MONTHS_PER_HOUR", {"ingest", "sink", "web", "gateway"}),
        ("KAFKA_PASSWORD", {"ingest", "sink", "kafka-topics"}),
        ("HORTUS_KAFKA_TLS", {"ingest", "sink", "kafka-topics"}),
    ],
)
def test_what_several_parts_read_reaches_all_of_them(one_of_them: str, services: set[str]) -> None:
    assert {name for name in OURS if one_of_them in variables_of(name)} == services


@pytest.mark.parametrize("name", OURS)
def test_what_an_operator_may_set_has_the_settings_own_name_and_the_programs_default(name: str) -> None:
    # A host and a folder of this file's own, in the place of what one box has.
    here = {"KAFKA_HOST": "kafka", "HORTUS_MEDIA_URL": "/var/lib/hortus/media"}
    defaults = defaults_by_name() | here
    for variable, value in variables_of(name).items():
        for outside, default in re.findall(r"\$\{(\w+):-([^}]*)\}", value):
            assert (outside, default) == (variable, defaults[variable])


def test_certificates_can_be_given_to_whoever_is_told_to_trust_some() -> None:
    for name in OURS:
        wants = any(variable.endswith("_CA_FILE") for variable in variables_of(name))
        has = "./certificates:/etc/hortus/certificates:ro" in OURS[name].get("volumes", ())
        assert wants == has, name


def test_a_kafka_elsewhere_is_used_without_starting_one_here() -> None:
    own = {name for name, service in SERVICES.items() if "own-kafka" in service.get("profiles", ())}
    assert own == {"kafka-topics", "sink"}
    for name in own:
        for dependency, how in SERVICES[name]["depends_on"].items():
            started = dependency in own or "profiles" not in SERVICES[dependency]
            assert started or how["required"] is False, (name, dependency)


def test_what_services_refer_to_is_there() -> None:
    for name, service in SERVICES.items():
        assert service.get("depends_on", {}).keys() <= SERVICES.keys(), name
        for dependency, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert not healthy or "healthcheck" in SERVICES[dependency], (name, dependency)
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            made = source == "./certificates"  # by make-secrets
            assert source in COMPOSE["volumes"] or made, name
        for secret in service.get("secrets", ()):
            source = secret if isinstance(secret, str) else secret["source"]
            assert source in COMPOSE["secrets"], name


def test_nothing_runs_as_root_and_images_of_others_have_a_version() -> None:
    dockerfiles = {"hortus": DEPLOY / "Dockerfile", "hortus-mosquitto": DEPLOY / "mosquitto" / "Dockerfile"}
    for name, service in SERVICES.items():
        assert service["restart"] in {"unless-stopped", "on-failure"}, name
        if service["image"] in dockerfiles:
            assert re.search(r"^USER (?!root)\w+$", dockerfiles[service["image"]].read_text(), re.MULTILINE)
        else:
            assert re.search(r":\d", service["image"]), name
            assert service["user"] not in {"root", "0"}, name


def test_whoever_prepares_the_brokers_volume_is_the_broker() -> None:
    assert SERVICES["broker-seed"]["user"] == SERVICES["mosquitto"]["user"] == "1883:1883"
    assert "--uid 1883 --gid 1883" in (DEPLOY / "mosquitto" / "Dockerfile").read_text()
    assert "--owner=1883 --group=1883 /var/lib/mosquitto" in (DEPLOY / "Dockerfile").read_text()


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    made = _make_secrets(tmp_path)
    named = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert made.keys() == named
    empty = {name for name, content in made.items() if not content}
    assert empty == {
        "smtp_url",
        "kafka_password",
        "aws_access_key_id",
        "aws_secret_access_key",
        "metrics_token",
        "gateway_target_token",
    }
    assert all(len(content) >= 32 for name, content in made.items() if name not in empty)
    (tmp_path / "secrets" / "smtp_url").write_text("smtp://mail.example.org")
    made["smtp_url"] = "smtp://mail.example.org"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "certificates").is_dir()
    assert made["postgres_password"] in made["database_url"]
    assert _make_secrets(tmp_path) == made


def _make_secrets(folder: Path) -> dict[str, str]:
    directory = folder / "secrets"
    subprocess.run(
        [DEPLOY / "make-secrets", directory], check=True, capture_output=True, timeout=PATIENCE_SECONDS
    )
    return {path.name: path.read_text() for path in directory.iterdir()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the services of the test are, in place of those of the Compose file."""

    folder: Path
    database_url: str
    broker: Mosquitto
    http_port: int
    secrets: dict[str, str]

    def environment(self, name: str) -> dict[str, str]:
        """The service's environment, with this machine's addresses and files."""
        kept = environment()
        replaced = {
            "/run/secrets/": f"{self.folder}/secrets/",
            "/var/lib/": f"{self.folder}/lib/",
        }
        for variable, value in OURS[name]["environment"].items():
            text = _with_defaults(str(value))
            for old, new in replaced.items():
                text = text.replace(old, new)
            kept[variable] = {"MQTT_HOST": "127.0.0.1"}.get(variable, text)
        return {**kept, "MQTT_PORT": str(self.broker.port)}

    def command(self, name: str) -> list[str]:
        """The service's very command, with this machine's addresses, ports and folders."""
        replaced = {"0.0.0.0": "127.0.0.1", **dict.fromkeys(("8080", "8090", "9100"), str(self.http_port))}
        arguments = [replaced.get(argument, argument) for argument in command_of(OURS[name])]
        moved = [argument.replace("/var/lib/", f"{self.folder}/lib/") for argument in arguments]
        return [sys.executable, "-m", "hortus", *moved]

    def run(self, name: str) -> str:
        """Run a service that ends, and return what it said."""
        done = subprocess.run(
            self.command(name),
            env=self.environment(name),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def until_connected(self, name: str, connected: bool) -> None:
        """Wait until a process of ours has sessions at the database, or until none has any more."""
        sessions = (
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        connection = await asyncpg.connect(self.database_url)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await connection.fetchval(sessions) != connected:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(self.log(name)) from None
        finally:
            await connection.close()

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a service that stays; it must stop properly."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self.command(name), env=self.environment(name), stdout=log, stderr=log
            )
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), PATIENCE_SECONDS) == 0, self.log(name)
            assert "Traceback" not in self.log(name)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def log(self, name: str) -> str:
        """What the service said."""
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
def site(tmp_path: Path, migrated_database_url: str) -> Iterator[Site]:
    secrets = _make_secrets(tmp_path)
    (tmp_path / "secrets" / "database_url").chmod(0o600)
    (tmp_path / "secrets" / "database_url").write_text(migrated_database_url)
    for folder in ("mosquitto", "hortus/media", "hortus/spool"):
        (tmp_path / "lib" / folder).mkdir(parents=True)
    broker_folder = tmp_path / "broker"
    broker_folder.mkdir()
    with Mosquitto(broker_folder) as broker:
        yield Site(
            folder=tmp_path,
            database_url=migrated_database_url,
            broker=broker,
            http_port=free_port(),
            secrets=secrets,
        )


@pytest.mark.timeout(600)  # eight processes one after the other
async def test_each_service_runs_with_its_very_command(site: Site) -> None:
    assert "already" in site.run("schema")
    assert "0 kits" in site.run("broker-seed")
    assert "left unchanged" in site.run("broker-seed")  # as when everything is started again
    seeded = site.folder / "lib" / "mosquitto" / "dynamic-security.json"
    site.broker.security_file.write_text(seeded.read_text())
    site.broker.start()
    for name in ("ingest", "web", "gateway"):
        async with site.running(name) as process:
            await _until_healthy(site, name, process)
        await site.until_connected(name, False)
    (site.folder / "secrets" / "smtp_url").write_text("smtp://127.0.0.1:1")
    # What is written into an empty secret is read: mail without a sender is refused.
    with pytest.raises(AssertionError, match="set HORTUS_MAIL_FROM too"):
        site.run("jobs")
    (site.folder / "secrets" / "smtp_url").write_text("")
    for name in ("rpc", "jobs", "broker-accounts"):
        async with site.running(name):
            await site.until_connected(name, True)
        await site.until_connected(name, False)


async def _until_healthy(site: Site, name: str, process: asyncio.subprocess.Process) -> None:
    """Wait until the service's own health check succeeds."""
    check = list(OURS[name]["healthcheck"]["test"])
    assert check.pop(0) == "CMD"
    code = re.sub(r":(8080|8090|9100)/", f":{site.http_port}/", check[-1])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            assert process.returncode is None, site.log(name)
            checking = await asyncio.create_subprocess_exec(
                sys.executable, *check[1:-1], code, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if await checking.wait() == 0:
                return
            await asyncio.sleep(0.2)
