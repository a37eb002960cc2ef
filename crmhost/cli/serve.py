"""`crmhost serve`: probe, export, settle and deliver."""

from __future__ import annotations

import sys

import click

from crmhost.cli.options import examples, open_fleet


@click.command(epilog=examples("crmhost serve", "crmhost serve --listen 127.0.0.1:9999 --log-json"))
@click.option("--listen", help="Where /metrics and the pages are served. Default: serve.listen in crmhost.yaml.")
@click.option("--log-json", is_flag=True, help="Log JSON Lines instead of text.")
def command(listen: str | None, *, log_json: bool) -> None:
    """Measure every contract of the fleet, show it at /metrics, settle what has ended and deliver what is owed.

    It listens on loopback only. Ctrl-C or SIGTERM ends it within a second or two; killed, it loses seconds of
    measurements, which are then unknown and never downtime.
    """
    import structlog

    from crmhost.service import serve

    rendered = (
        structlog.processors.JSONRenderer() if log_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            rendered,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    serve(open_fleet(), listen, structlog.get_logger())
