"""A kept statement's page, with what has become of its credit until now."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from monitor.ledger import book, deliveries
from monitor.pages.render import Pages
from monitor.pages.view import Delivery, StatementView, statement_view
from monitor.shelf import Kept, files_of


def view_of(
    connection: Connection, kept: Kept, public_key: str | None = None, language: str | None = None
) -> StatementView:
    """Return what the page of a statement shows; the language is the customer's own, where none is named.

    `public_key` is the operator's, for the command by which the customer verifies; None leaves a place for it.
    """
    credit = book.credit_of_settlement(connection, kept.settlement)
    sent = None if credit is None else deliveries.read_row(connection, credit.id)
    gone = credit is not None and book.is_reversed(connection, credit.id)
    delivery = None if sent is None else Delivery(sent.state, sent.receipt, gone)
    return statement_view(kept.raw, files_of(connection, kept), public_key or "KEY", delivery, language)


def page_of(
    connection: Connection, kept: Kept, public_key: str | None = None, links: Mapping[str, str] | None = None
) -> str:
    """Return the page of a statement as one HTML file in the customer's language; `links` as in `Pages.statement`."""
    return Pages().statement(view_of(connection, kept, public_key), links)
