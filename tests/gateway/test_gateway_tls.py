"""Readings are only delivered to an authenticated target."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from gateway_harness import Backend, running_backend

from hortus.flow.gateway.errors import InvalidGatewaySettings, TargetTrouble
from hortus.flow.gateway.transport import TargetAddress, TargetClient

NONE: frozenset[str] = frozenset()


def certificate(directory: Path, name: str, host: str, *, days: int = 1) -> Path:
    """Create a self-signed certificate, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


async def attempt(server: Path, ca_file: Path | None) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    async with running_backend(Backend(), ssl=context) as backend:
        client = TargetClient(
            TargetAddress(url=f"https://127.0.0.1:{backend.port}", ca_file=ca_file), headers={}
        )
        try:
            return (await client.send("PATCH", "/api/v1/sensors/1", b"{}")).status
        except TargetTrouble:
            assert backend.requests == []
            raise
        finally:
            await client.close()


async def test_a_certificate_of_the_named_authority_is_accepted(tmp_path: Path) -> None:
    own = certificate(tmp_path, "own", "127.0.0.1")
    assert await attempt(own, own) == 200


async def test_certificates_that_prove_nothing_are_refused(tmp_path: Path) -> None:
    own = certificate(tmp_path, "own", "127.0.0.1")
    for server, ca_file in (
        (own, None),  # nobody vouches for it
        (own, certificate(tmp_path, "other", "127.0.0.1")),  # somebody else vouches
        (certificate(tmp_path, "host", "plants.example.org"), tmp_path / "host.pem"),  # it is another host's
        (certificate(tmp_path, "old", "127.0.0.1", days=-1), tmp_path / "old.pem"),  # it has expired
    ):
        with pytest.raises(TargetTrouble, match=r"(?i)certificate"):
            await attempt(server, ca_file)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "http://plants.example.org",
            "http://127.0.0.1:4000",
            "ftp://plants.example.org",
            "plants.example.org",
        ),
        *("https://", "https://user:pass@plants.example.org", "https://plants.example.org/?x=1", ""),
        *("https://plants.example.org:99999", "https://plants.example.org#x"),
    ],
)
def test_an_address_that_is_not_verified_https_stops_the_start(text: str) -> None:
    with pytest.raises(InvalidGatewaySettings, match="HORTUS_GATEWAY"):
        TargetAddress.parse(text, ca_file=None, plain_http_hosts=NONE)


def test_plain_http_is_spoken_only_to_hosts_that_are_named_for_it() -> None:
    named = frozenset({"127.0.0.1"})
    address = TargetAddress.parse("http://127.0.0.1:4000/", ca_file=None, plain_http_hosts=named)
    assert address.url == "http://127.0.0.1:4000"
    with pytest.raises(InvalidGatewaySettings, match="localhost"):
        TargetAddress.parse("http://localhost:4000", ca_file=None, plain_http_hosts=named)


def test_a_file_without_certificates_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(InvalidGatewaySettings, match="HORTUS_GATEWAY_CA_FILE"):
        TargetClient(TargetAddress(url="https://x.example", ca_file=tmp_path / "empty.pem"), headers={})
