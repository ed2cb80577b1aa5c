"""TLS of a plan: who is trusted, who we are, which name is asked for, whether sessions are resumed.

Files are read and checked when the plan is read, so that a wrong path or a key of another certificate is no failure of a run.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from scaleworthy.load.base import PlanPart


def _read_version(value: Any) -> Any:
    # YAML reads a bare 1.2 as a number.
    return str(value) if isinstance(value, float) else value


TlsVersion = Annotated[Literal["1.2", "1.3"], BeforeValidator(_read_version)]


class TlsSettings(PlanPart):
    """How TLS is spoken; files are relative to the plan.

    Attributes:
        server_name: Asked for (SNI), and to be borne by the target's certificate, in place of the target's host.
        ca: PEM file with the authorities to trust instead of the system's.
        insecure: Do not verify certificates.
        certificate: PEM file with our own certificate and what leads from it to its authority, for servers that ask for one.
        key: PEM file with its private key; by default in the same file.
        session_reuse: Resume sessions on new connections; without, each one shakes hands in full.
        min_version: The oldest TLS that is accepted; by default 1.2.
    """

    server_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    ca: str | None = None
    insecure: bool = False
    certificate: str | None = None
    key: str | None = None
    session_reuse: bool = True
    min_version: TlsVersion | None = None

    _ca_pem: str | None = None
    _certificate_pem: str | None = None
    _key_pem: str | None = None
    _pair: tuple[Path, Path] | None = None

    @model_validator(mode="after")
    def _read_files(self, info: ValidationInfo) -> TlsSettings:
        folder = plan_folder(info)
        if self.ca is not None:
            object.__setattr__(self, "_ca_pem", read_pem(folder, self.ca, "ca", "CERTIFICATE"))
        if self.key is not None and self.certificate is None:
            raise ValueError("a key needs the certificate that it belongs to: name its file as 'certificate'")
        if self.certificate is not None:
            key = self.key or self.certificate
            object.__setattr__(
                self, "_certificate_pem", read_pem(folder, self.certificate, "certificate", "CERTIFICATE")
            )
            object.__setattr__(self, "_key_pem", read_pem(folder, key, "key", "PRIVATE KEY"))
            _check_pair(folder / self.certificate, folder / key)
            object.__setattr__(self, "_pair", (folder / self.certificate, folder / key))
        return self

    @property
    def ca_pem(self) -> str | None:
        """The authorities to trust, where the plan names its own."""
        return self._ca_pem

    def to_native(self) -> dict[str, Any]:
        """Return what the engine knows of these settings alone."""
        return {
            "server_name": self.server_name,
            "certificate_pem": self._certificate_pem,
            "key_pem": self._key_pem,
            "session_reuse": self.session_reuse,
            "min_version": self.min_version,
        }

    def use_in(self, context: ssl.SSLContext) -> None:
        """Have *context* speak TLS as these settings say; trust is the caller's to set."""
        if self.min_version == "1.3":
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self._pair is not None:
            context.load_cert_chain(*self._pair)


def plan_folder(info: ValidationInfo) -> Path:
    """Return the folder that the plan's files are relative to."""
    return Path((info.context or {}).get("folder", "."))


def read_pem(folder: Path, name: str, field: str, what: str) -> str:
    """Return the text of a PEM file.

    Raises:
        ValueError: It cannot be read, or holds no *what*.
    """
    try:
        text = (folder / name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{field} {name!r} cannot be read: {error}") from error
    if not any(line.startswith("-----BEGIN") and line.rstrip("-\r ").endswith(what) for line in text.splitlines()):
        raise ValueError(f"{field} {name!r} holds no PEM {what.lower()}")
    if "ENCRYPTED" in text and what == "PRIVATE KEY":
        raise ValueError(f"{field} {name!r} is encrypted: decrypt it first (openssl pkey -in FILE -out PLAIN)")
    return text


def _check_pair(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(
                f"the key in {key.name!r} does not belong to the certificate in {certificate.name!r}"
            ) from error
        raise ValueError(
            f"certificate {certificate.name!r} and key {key.name!r} cannot be used: {error.reason or error}"
        ) from error
