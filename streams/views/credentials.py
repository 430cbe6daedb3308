"""The `kafka` settings are librdkafka's; Faust's client gets what they say about encryption and login."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials

from streams.errors import SettingsError

log = logging.getLogger(__name__)

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_SSL_KNOWN = frozenset({
    "ssl.ca.location", "ssl.ca.pem", "ssl.certificate.location", "ssl.key.location", "ssl.key.password",
    "ssl.endpoint.identification.algorithm", "enable.ssl.certificate.verification",
})  # fmt: skip
_SASL_KNOWN = frozenset({"sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"})


def broker_credentials(options: Mapping[str, str]) -> SASLCredentials | SSLCredentials | None:
    """Faust's credentials for librdkafka's options; None for an open broker.

    Raises SettingsError, with every fault, for a login or an encryption that the views cannot use.
    """
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    faults = _faults(options, protocol)
    if faults:
        raise SettingsError("kafka, as the views use it", faults)
    context = _context(options) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL"):
        return SSLCredentials(context) if context else None
    return SASLCredentials(
        username=options["sasl.username"],
        password=options["sasl.password"],
        mechanism=_mechanism(options),
        ssl_context=context,
    )


def _faults(options: Mapping[str, str], protocol: str) -> list[str]:
    if protocol not in _PROTOCOLS:
        return [f"security.protocol {protocol} is none of {', '.join(_PROTOCOLS)}"]
    faults = []
    if protocol.startswith("SASL"):
        if _mechanism(options) not in _MECHANISMS:
            faults.append(f"sasl.mechanism {_mechanism(options) or '(none)'}: the views log in with {', '.join(_MECHANISMS)}")
        faults += [f"{name} is missing" for name in ("sasl.username", "sasl.password") if name not in options]
    unknown = sorted(
        name
        for name in options
        if (name.startswith("ssl.") and name not in _SSL_KNOWN) or (name.startswith("sasl.") and name not in _SASL_KNOWN)
    )
    faults += [f"{name} means nothing to the views' client" for name in unknown]
    return faults


def _mechanism(options: Mapping[str, str]) -> str:
    return options.get("sasl.mechanism", options.get("sasl.mechanisms", "")).upper()


def _context(options: Mapping[str, str]) -> ssl.SSLContext:
    files: dict[str, Any] = {"cafile": options.get("ssl.ca.location"), "cadata": options.get("ssl.ca.pem")}
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, **files)
        if "ssl.certificate.location" in options:
            context.load_cert_chain(
                options["ssl.certificate.location"], options.get("ssl.key.location"), options.get("ssl.key.password")
            )
    except (OSError, ssl.SSLError) as error:
        raise SettingsError("kafka, as the views use it", [f"the certificates cannot be used: {error}"]) from error
    if options.get("ssl.endpoint.identification.algorithm", "https") == "none":
        context.check_hostname = False
    if options.get("enable.ssl.certificate.verification", "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
