"""The statements over HTTP: a list, a page and the files, read-only.

Whoever reaches these addresses reads what customers were promised and paid; `serve` binds them to loopback, or puts
them behind what it trusts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from urllib.parse import quote

from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from contract.moment import zone
from monitor.pages.render import ListRow, Pages
from monitor.pages.speech import LANGUAGES, Speech, speech
from monitor.pages.statement import view_of
from monitor.shelf import Kept, files_of, find_statement, kept_statements
from monitor.statement.canonical import Json, NotCanonical, parse_canonical
from monitor.statement.document import CALENDAR_FILE, CONTRACT_FILE, EVIDENCE_FILE, STATEMENT_FILE
from monitor.store.database import reading

_TYPES = {
    STATEMENT_FILE: "application/json",
    CONTRACT_FILE: "application/yaml; charset=utf-8",
    CALENDAR_FILE: "application/json",
    EVIDENCE_FILE: "application/jsonl",
}


def statement_routes(engine: Engine, public_key: str | None = None, prefix: str = "/statements") -> list[Route]:
    """Return the routes, all of them GET.

    `{prefix}/{contract}` lists a contract's statements, `{prefix}/{contract}/{period}` shows one (`?revision=`,
    `?language=`), and below that lie `statement.json`, `contract.yaml`, `calendar.json` and `evidence.jsonl`.
    `public_key` is the operator's, for the command that the page shows; None leaves a place for it.
    """
    pages = Pages()

    def listing(request: Request) -> Response:
        return _listing(engine, pages, request, prefix)

    def page(request: Request) -> Response:
        return _page(engine, pages, request, public_key)

    def file(request: Request) -> Response:
        return _file(engine, request)

    handlers: tuple[tuple[str, Callable[[Request], Response]], ...] = (
        ("/{contract}", listing),
        ("/{contract}/{period}", page),
        ("/{contract}/{period}/{file}", file),
    )
    return [Route(prefix + path, handler, methods=["GET"]) for path, handler in handlers]


def _listing(engine: Engine, pages: Pages, request: Request, prefix: str) -> Response:
    with reading(engine) as connection:
        kept = list(kept_statements(connection, request.path_params["contract"]))
    if not kept:
        raise HTTPException(404, "There is no statement of this contract.")
    newest = _statement(kept[-1])
    say = speech(_language(request) or str(newest["language"]), zone("UTC"))
    rows = [_row(one, say, prefix) for one in reversed(kept)]
    return HTMLResponse(pages.statements(str(newest["customer"]), rows, say), headers=dict(pages.headers))


def _page(engine: Engine, pages: Pages, request: Request, public_key: str | None) -> Response:
    kept = _asked(engine, request)
    with reading(engine) as connection:
        view = view_of(connection, kept, public_key, _language(request))
    below = f"{quote(kept.period)}/"
    names = {
        "statement": STATEMENT_FILE,
        "contract": CONTRACT_FILE,
        "calendar": CALENDAR_FILE,
        "evidence": EVIDENCE_FILE,
    }
    links = {name: f"{below}{file}?revision={kept.revision}" for name, file in names.items()}
    return HTMLResponse(pages.statement(view, links), headers=dict(pages.headers))


def _file(engine: Engine, request: Request) -> Response:
    name = request.path_params["file"]
    if name not in _TYPES:
        raise HTTPException(404, "There is no such file.")
    kept = _asked(engine, request)
    with reading(engine) as connection:
        files = files_of(connection, kept)
    contents = {
        STATEMENT_FILE: kept.raw,
        CONTRACT_FILE: files.contract,
        CALENDAR_FILE: files.calendar,
        EVIDENCE_FILE: files.evidence,
    }
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(contents[name], media_type=_TYPES[name], headers=headers)


def _asked(engine: Engine, request: Request) -> Kept:
    asked = request.query_params.get("revision")
    if asked is not None and not (asked.isascii() and asked.isdecimal() and len(asked) < 6):
        raise HTTPException(400, "A revision is a number, as in ?revision=1.")
    revision = None if asked is None else int(asked)
    with reading(engine) as connection:
        kept = find_statement(connection, request.path_params["contract"], request.path_params["period"], revision)
    if kept is None:
        raise HTTPException(404, "There is no statement of this period.")
    return kept


def _language(request: Request) -> str | None:
    asked = request.query_params.get("language")
    return asked if asked in LANGUAGES else None


def _row(kept: Kept, say: Speech, prefix: str) -> ListRow:
    said = _statement(kept)
    figures, credit = said["figures"], said["credit"]
    if not isinstance(figures, Mapping):
        raise NotCanonical("it is no statement of crmhost")
    ratio = figures["availability"]
    return ListRow(
        title=say.digits(kept.period),
        link=f"{prefix}/{quote(kept.contract)}/{quote(kept.period)}?revision={kept.revision}",
        revision=kept.revision,
        availability="–" if ratio is None else say.percent(Fraction(str(ratio))),
        credit=_credit(credit, say),
        verdict={None: "not_measured", True: "broken", False: "kept"}[_flag(figures["breached"])],
    )


def _credit(credit: Json, say: Speech) -> str:
    if not isinstance(credit, Mapping):
        return say("nothing_owed")
    if credit["unit"] == "money":
        return say.money(str(credit["amount"]), str(credit["currency"]))
    return say.length(int(str(credit["seconds"])) * 1_000_000)


def _flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _statement(kept: Kept) -> Mapping[str, Json]:
    said = parse_canonical(kept.raw)["statement"]
    return said if isinstance(said, Mapping) else {}
