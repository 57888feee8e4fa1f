"""All settings in one typed object, read once from the environment.

The names that operators already use (`DATABASE_URL`, `MQTT_HOST`, …) are kept; all others begin with `HORTUS_`.
A secret may come from a file: `<NAME>_FILE` names it, as with Docker's secrets. An empty variable counts as
unset, because images set variables to empty strings.
"""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PlainValidator, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hortus.base.errors import UsageError
from hortus.base.map_tiles import MapTiles, checked_tiles_url
from hortus.base.origins import parse_origins
from hortus.base.public_url import checked_public_url, path_of
from hortus.base.quotas import DEFAULT_QUOTAS, LATE_MONTHS_PER_HOUR, Quotas
from hortus.base.time_zones import fault_of_time_zone

Port = Annotated[int, Field(ge=1, le=65535)]
Quota = Annotated[int, Field(ge=0, le=10_000)]
KafkaTopic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


def _zone(name: object) -> ZoneInfo:
    if isinstance(name, ZoneInfo):
        return name
    fault = fault_of_time_zone(str(name))
    if fault is not None:
        raise ValueError(fault)
    return ZoneInfo(str(name))


def _list_of_origins(text: str) -> str:
    parse_origins(text)
    return text


class InvalidSettings(UsageError):
    """An environment variable has an invalid value."""


class Settings(BaseSettings):
    """The settings of an operator; see docs/operations.md."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(None, description="PostgreSQL to use instead of an embedded one.")
    data_dir: Path = Field(
        Path("hortus-data"),
        validation_alias="HORTUS_DATA_DIR",
        description="Where `hortus up` keeps everything.",
    )
    run_as: str | None = Field(
        None,
        validation_alias="HORTUS_RUN_AS",
        description="Account that a process started by root goes on as.",
    )
    allow_root: bool = Field(
        False,
        validation_alias="HORTUS_ALLOW_ROOT",
        description="Whether a process started by root stays root (`1` or `0`).",
    )
    mqtt_host: str = Field("localhost", description="The external MQTT broker.")
    mqtt_port: Port = Field(1883, description="Port of the external MQTT broker.")
    mqtt_username: str | None = Field(None, description="Account of this service at the broker.")
    mqtt_password: SecretStr | None = Field(None, description="Password of that account.")
    mqtt_tls: bool = Field(
        False, validation_alias="HORTUS_MQTT_TLS", description="Whether to speak TLS with the broker."
    )
    mqtt_ca_file: Path | None = Field(
        None,
        validation_alias="HORTUS_MQTT_CA_FILE",
        description="Certificates to trust; the system's if unset.",
    )
    mqtt_client_id: str | None = Field(
        None,
        validation_alias="HORTUS_MQTT_CLIENT_ID",
        description="Name of this ingester's session at the broker; the host name if unset.",
    )
    kit_answer_seconds: Annotated[int, Field(ge=1, le=600)] = Field(
        30,
        validation_alias="HORTUS_KIT_ANSWER_SECONDS",
        description="How long a kit has to answer a command.",
    )
    broker_key: SecretStr | None = Field(
        None,
        validation_alias="HORTUS_BROKER_KEY",
        description="Key that protects kit passwords on their way to the broker.",
    )
    broker_username: str = Field(
        "admin", validation_alias="HORTUS_BROKER_ADMIN_USERNAME", description="Dynamic-security administrator."
    )
    broker_password: SecretStr | None = Field(
        None, validation_alias="HORTUS_BROKER_ADMIN_PASSWORD", description="Password of the administrator."
    )
    kafka_host: str = Field(
        "localhost",
        description="Kafka's brokers: a host, or a list such as `one:9092,two:9092`; one answering is enough.",
    )
    kafka_port: Port = Field(9092, description="Port of those brokers that KAFKA_HOST names without one.")
    kafka_username: str | None = Field(None, description="Account of this service at Kafka (SASL).")
    kafka_password: SecretStr | None = Field(None, description="Password of that account.")
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN",
        validation_alias="HORTUS_KAFKA_SASL_MECHANISM",
        description="How the password is proved; PLAIN sends it, so use it with TLS only.",
    )
    kafka_tls: bool = Field(
        False, validation_alias="HORTUS_KAFKA_TLS", description="Whether to speak TLS with Kafka."
    )
    kafka_ca_file: Path | None = Field(
        None,
        validation_alias="HORTUS_KAFKA_CA_FILE",
        description="Certificates to trust; the system's if unset.",
    )
    kafka_consumer_group: str = Field(
        "hortus-sink", min_length=1, description="The group in which all sinks share Kafka's partitions."
    )
    kafka_topic_raw: KafkaTopic = Field(
        "raw", validation_alias="HORTUS_KAFKA_TOPIC_RAW", description="Kafka topic of readings."
    )
    kafka_topic_aggregate: KafkaTopic = Field(
        "aggregate", validation_alias="HORTUS_KAFKA_TOPIC_AGGREGATE", description="Kafka topic of aggregates."
    )
    kafka_topic_media: KafkaTopic = Field(
        "media", validation_alias="HORTUS_KAFKA_TOPIC_MEDIA", description="Kafka topic of pictures and files."
    )
    kafka_topic_dead_letter: KafkaTopic = Field(
        "hortus-dead-letter",
        validation_alias="HORTUS_KAFKA_TOPIC_DEAD_LETTER",
        description="Kafka topic of messages that cannot be decoded.",
    )
    media_url: str | None = Field(
        None,
        validation_alias="HORTUS_MEDIA_URL",
        description="Where pictures and files are kept: a folder, or a bucket such as `s3://kit-media`.",
    )
    media_keep_all_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        None,
        validation_alias="HORTUS_MEDIA_KEEP_ALL_DAYS",
        description="For how many days all pictures are kept; after that one per hour. Unset: for ever.",
    )
    media_keep_hourly_days: Annotated[int, Field(ge=1, le=36_500)] = Field(
        90,
        validation_alias="HORTUS_MEDIA_KEEP_HOURLY_DAYS",
        description="Until which age one picture per hour is kept; after that one per day.",
    )
    aws_s3_endpoint: str | None = Field(
        None, description="An S3-compatible service other than AWS, such as `http://localhost:9000`."
    )
    aws_s3_region: str | None = Field(None, description="Region of the S3 service; `us-east-1` if unset.")
    aws_access_key_id: SecretStr | None = Field(None, description="Account at the S3 service.")
    aws_secret_access_key: SecretStr | None = Field(None, description="Secret of that account.")
    clock_tolerance_seconds: Annotated[int, Field(ge=0, le=86_400)] = Field(
        300,
        validation_alias="HORTUS_CLOCK_TOLERANCE_SECONDS",
        description="How far a kit's clock may be ahead before its readings are set aside.",
    )
    late_months_per_hour: Annotated[int, Field(ge=1, le=1000)] = Field(
        LATE_MONTHS_PER_HOUR,
        validation_alias="HORTUS_LATE_MONTHS_PER_HOUR",
        description="How many months of the database late readings of one kit may open within an hour.",
    )
    sign_up: Literal["open", "closed"] = Field(
        "closed",
        validation_alias="HORTUS_SIGN_UP",
        description="Whether everybody may make an account, on pages or over the API (`open` or `closed`).",
    )
    plantkeeper_open_networks: str = Field(
        "",
        validation_alias="HORTUS_PLANTKEEPER_OPEN_NETWORKS",
        description="Networks from which `PATCH /api/v1/sensors/{id}` is taken without credentials.",
    )
    cors_origins: Annotated[str, AfterValidator(_list_of_origins)] = Field(
        "",
        validation_alias="HORTUS_CORS_ORIGINS",
        description="Origins whose pages may send cookies to the APIs: `https://plants.example.org`.",
    )
    plant_fresh_seconds: Annotated[int, Field(ge=60, le=30 * 86_400)] = Field(
        3600,
        validation_alias="HORTUS_PLANT_FRESH_SECONDS",
        description="After so long without a reading, a quantity of a plant counts as without data.",
    )
    language: Literal["en", "de", "nl"] = Field(
        "en",
        validation_alias="HORTUS_LANGUAGE",
        description="Language of the pages for browsers that ask for none of ours (`en`, `de`, `nl`).",
    )
    kits_per_person: Quota = Field(
        DEFAULT_QUOTAS.kits_per_person,
        validation_alias="HORTUS_KITS_PER_PERSON",
        description="Most kits that one person manages.",
    )
    boards_per_person: Quota = Field(
        DEFAULT_QUOTAS.boards_per_person,
        validation_alias="HORTUS_BOARDS_PER_PERSON",
        description="Most of them that are boards, registered as sensors at `/api/v1`.",
    )
    plants_per_person: Quota = Field(
        DEFAULT_QUOTAS.plants_per_person,
        validation_alias="HORTUS_PLANTS_PER_PERSON",
        description="Most plants that one person owns.",
    )
    species_per_person: Quota = Field(
        DEFAULT_QUOTAS.species_per_person,
        validation_alias="HORTUS_SPECIES_PER_PERSON",
        description="Most species that one person describes.",
    )
    api_keys_per_person: Quota = Field(
        DEFAULT_QUOTAS.api_keys_per_person,
        validation_alias="HORTUS_API_KEYS_PER_PERSON",
        description="Most API keys of one person.",
    )
    services_per_person: Quota = Field(
        DEFAULT_QUOTAS.services_per_person,
        validation_alias="HORTUS_SERVICES_PER_PERSON",
        description="Most services and webhooks by which one person is told of alerts.",
    )
    members_per_kit: Quota = Field(
        DEFAULT_QUOTAS.members_per_kit,
        validation_alias="HORTUS_MEMBERS_PER_KIT",
        description="Most members of one kit.",
    )
    token_signer_key: Path | None = Field(
        None,
        description="File with the key (32 bytes or more) of API tokens and web sessions; "
        "the installation's own if unset.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        validation_alias="HORTUS_METRICS_TOKEN",
        description="Bearer token that lets other machines read `/metrics`.",
    )
    smtp_url: SecretStr | None = Field(
        None,
        validation_alias="HORTUS_SMTP_URL",
        description="Mail server and account: `smtp://user:password@host:587` (STARTTLS), `smtps://…` (TLS), "
        "`smtp+plain://127.0.0.1:25` (no TLS). Without it, no mail is sent.",
    )
    mail_from: str | None = Field(
        None,
        validation_alias="HORTUS_MAIL_FROM",
        description="Whom mails come from: `Hortus <hortus@example.org>`.",
    )
    smtp_ca_file: Path | None = Field(
        None,
        validation_alias="HORTUS_SMTP_CA_FILE",
        description="Certificates to trust for mail; the system's if unset.",
    )
    public_url: Annotated[str, AfterValidator(checked_public_url)] | None = Field(
        None,
        validation_alias="HORTUS_PUBLIC_URL",
        description="Where people reach the pages: `https://hortus.example.org`, or `https://example.org/hortus`.",
    )
    tiles_url: Annotated[str, AfterValidator(checked_tiles_url)] | None = Field(
        None,
        validation_alias="HORTUS_TILES_URL",
        description="Tiles of the map: `https://tiles.example.org/{z}/{x}/{y}.png`. Browsers that show the map "
        "ask that server for pictures; without it, only coast lines are drawn.",
    )
    tiles_attribution: Annotated[str, Field(max_length=200)] = Field(
        "",
        validation_alias="HORTUS_TILES_ATTRIBUTION",
        description="Whom the map credits for its tiles: `© OpenStreetMap contributors`.",
    )
    notification_services: str = Field(
        "",
        validation_alias="HORTUS_NOTIFICATION_SERVICES",
        description="Further services that people may have messages sent to: `gotifys,hassios,ntfys`.",
    )
    live_connections: Annotated[int, Field(ge=0, le=10_000)] = Field(
        2_000,
        validation_alias="HORTUS_LIVE_CONNECTIONS",
        description="Most connections to the live feed, per process.",
    )
    live_connections_per_address: Annotated[int, Field(ge=0, le=10_000)] = Field(
        100,
        validation_alias="HORTUS_LIVE_CONNECTIONS_PER_ADDRESS",
        description="Most of them from one address.",
    )
    time_zone: Annotated[ZoneInfo, PlainValidator(_zone)] = Field(
        ZoneInfo("UTC"),
        validation_alias="HORTUS_TIME_ZONE",
        description="Time zone of kits and people that have none of their own: `Europe/Amsterdam`.",
    )
    http_forwarded_allow_ips: str = Field(
        "127.0.0.1",
        validation_alias="HORTUS_FORWARDED_ALLOW_IPS",
        description="Proxies whose X-Forwarded headers are believed.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level logged.")

    @property
    def public_path(self) -> str:
        """The path of `public_url`, below which a proxy offers the pages: `/hortus`, or nothing."""
        return path_of(self.public_url)

    @property
    def map_tiles(self) -> MapTiles | None:
        """Where the map gets its tiles, if from anywhere."""
        if self.tiles_url is None:
            return None
        return MapTiles(url=self.tiles_url, attribution=self.tiles_attribution)

    @property
    def quotas(self) -> Quotas:
        """The limits per person."""
        return Quotas(**{field.name: getattr(self, field.name) for field in fields(Quotas)})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then the files that the environment names."""
        return init_settings, env_settings, _SecretFiles(settings_cls)


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `<NAME>_FILE` for each setting that is a secret."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        alias = str(field.validation_alias or field_name)
        path = os.environ.get(f"{alias.upper()}_FILE")
        if not path or "SecretStr" not in str(field.annotation):
            return None, alias, False
        try:
            # Empty counts as unset here too: deployments that mount secrets create files even for unused ones.
            return Path(path).read_text("utf-8").strip() or None, alias, False
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise InvalidSettings(
                f"{alias.upper()}_FILE names {path}, which cannot be read: {reason}."
            ) from error

    def __call__(self) -> dict[str, Any]:
        values = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values


def read_settings() -> Settings:
    """Return the settings from the environment. Raises InvalidSettings, naming each wrong variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSettings(what_is_wrong(error)) from error


def what_is_wrong(error: ValidationError) -> str:
    """Return a sentence that names each invalid variable and the values it accepts."""
    problems = "; ".join(
        f"{str(problem['loc'][0]).upper()}: {_reason(problem['msg'])}"
        for problem in error.errors(include_input=False)
    )
    return f"Some settings cannot be used. {problems}."


def _reason(message: str) -> str:
    of_ours = message.removeprefix("Value error, ")
    return of_ours if of_ours != message else f"{message[:1].lower()}{message[1:]}"
