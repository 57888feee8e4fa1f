"""The place for media, from the settings: a local folder, or a bucket of an S3-compatible service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from hortus.base.errors import UsageError
from hortus.base.settings import Settings
from hortus.domain.media.objects import MediaObjects

CONTRACT_BUCKET = "kit-media"
"""The bucket that AstroPlant's server uses (kit-mqtt 8)."""

_REGION = "us-east-1"
_ADVICE = "Set it to a folder such as /var/lib/hortus/media, or a bucket such as s3://kit-media."


def open_media_objects(settings: Settings, default_folder: Path | None = None) -> MediaObjects | None:
    """Return the object store that the settings name, or None.

    HORTUS_MEDIA_URL takes precedence. Without it, AWS_S3_ENDPOINT or AWS_S3_REGION select AstroPlant's bucket
    there; otherwise, the default folder is used. Raises UsageError for an invalid place.
    """
    place = settings.media_url
    if place is None:
        if settings.aws_s3_endpoint or settings.aws_s3_region:
            return _bucket(settings, CONTRACT_BUCKET)
        return None if default_folder is None else MediaObjects.in_folder(default_folder)
    parts = urlsplit(place)
    if parts.scheme == "s3":
        if not parts.netloc or parts.path.strip("/") or parts.query:
            raise UsageError(f"HORTUS_MEDIA_URL is {place!r}, which names no bucket. {_ADVICE}")
        return _bucket(settings, parts.netloc)
    folder = Path(unquote(parts.path) if parts.scheme == "file" else place)
    if parts.scheme not in {"", "file"} or parts.netloc or not folder.is_absolute():
        raise UsageError(f"HORTUS_MEDIA_URL is {place!r}, which names no place for media. {_ADVICE}")
    return MediaObjects.in_folder(folder)


def media_of_command(settings: Settings, data_dir: Path | None) -> MediaObjects | None:
    """Return the object store that belongs to a command's database (`command_database.open_url`)."""
    if data_dir is None and settings.database_url is None:
        data_dir = settings.data_dir
    folder = None if data_dir is None else data_dir.expanduser().absolute() / "media"
    return open_media_objects(settings, folder)


def _bucket(settings: Settings, bucket: str) -> MediaObjects:
    key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
    if (key is None) != (secret is None):
        raise UsageError("Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither.")
    # Objects are deleted one by one, because not every S3-compatible service can delete several per request.
    configuration: dict[str, Any] = {
        "region": settings.aws_s3_region or _REGION,
        "disable_bulk_delete": True,
    }
    endpoint = settings.aws_s3_endpoint
    if endpoint is not None:
        if not endpoint.startswith(("http://", "https://")):
            raise UsageError(f"AWS_S3_ENDPOINT is {endpoint!r}; it must start with http:// or https://.")
        configuration["endpoint"] = endpoint
    if key is not None and secret is not None:
        configuration |= {
            "access_key_id": key.get_secret_value(),
            "secret_access_key": secret.get_secret_value(),
        }
    client: Any = {
        "allow_http": endpoint is not None and endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=60),
    }
    # Our own retries never end; the library's only bridge a short hiccup, so that failures are reported soon.
    retry: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
    try:
        store = S3Store(bucket, client_options=client, retry_config=retry, **configuration)
    except BaseError as error:
        raise UsageError(f"The bucket {bucket} cannot be used: {str(error).splitlines()[0]}") from error
    return MediaObjects(store, f"the bucket {bucket} at {endpoint or 'AWS'}")
