"""HTML from views: everything that comes from outside is escaped, and the only style is the page's own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.pages.speech import Speech
from monitor.pages.view import StatementView


@dataclass(frozen=True, slots=True)
class ListRow:
    """One statement in a contract's list."""

    title: str
    link: str
    revision: int
    availability: str
    credit: str
    verdict: str


class Pages:
    """The templates, read once. `headers` go with every page."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("monitor.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        loader = self._environment.loader
        source = loader.get_source(self._environment, "style.css")[0] if loader is not None else ""
        # The style sheet is ours and holds nothing from outside; escaping it would break its selectors.
        self._css = Markup(source)  # noqa: S704  # see above
        styles = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        self.headers: Mapping[str, str] = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{styles}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }

    def statement(self, view: StatementView, links: Mapping[str, str] | None = None) -> str:
        """Render a statement; `links` are the addresses of its files, by the names of its digests."""
        return self._environment.get_template("statement.html").render(
            view=view, say=view.say, css=self._css, links=links or {}
        )

    def statements(self, customer: str, rows: Sequence[ListRow], say: Speech) -> str:
        """Render the list of a contract's statements."""
        return self._environment.get_template("statements.html").render(
            customer=customer, rows=rows, say=say, css=self._css
        )
