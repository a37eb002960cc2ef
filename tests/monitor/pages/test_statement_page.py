from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from fractions import Fraction
from importlib import resources
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright
from starlette.applications import Starlette

from contract.moment import zone
from monitor.pages.bar import WIDTH, Painted, marks
from monitor.pages.render import Pages
from monitor.pages.routes import statement_routes
from monitor.pages.speech import LANGUAGES, speech
from monitor.pages.view import Delivery, StatementView, statement_view
from monitor.settling import settle_due
from monitor.shelf import files_of, find_statement
from monitor.span import Span
from monitor.store.database import reading, writing
from monitor.store.exclusions import exclusions
from tests.support.settled import CONTRACT, KEY, World, at

MONEY = CONTRACT.replace(
    "{unit: service-time, formula: {multiplier: 3, of: downtime}}",
    "{unit: money, formula: {multiplier: 1, of: excess}, cap: {per-outage: 1 h, per-period: 50 %}}",
).replace("account: C-1042}", "account: C-1042, fee: {amount: 1200000 VND, every: month}}")
JALALI = CONTRACT.replace(
    "{every: month, timezone: Asia/Ho_Chi_Minh}", "{every: month, calendar: jalali, timezone: Asia/Tehran}"
)


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


@dataclass(frozen=True)
class Shown:
    """A world with October settled, and the address of the server that shows it."""

    world: World
    url: str

    def get(self, path: str, method: str = "GET") -> Answer:
        request = urllib.request.Request(self.url + path, method=method)  # noqa: S310  # the server above, on loopback
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # see above
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def view(self, language: str, period: str = "2026-10") -> StatementView:
        with reading(self.world.engine) as connection:
            kept = find_statement(connection, "acme", period)
            assert kept is not None
            return statement_view(
                kept.raw, files_of(connection, kept), KEY.public, Delivery("confirmed", "R-000001"), language
            )


@contextmanager
def serving(world: World) -> Iterator[Shown]:
    app = Starlette(routes=statement_routes(world.engine, KEY.public))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Shown(world, f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()


def settled(folder: Path, contract: str = CONTRACT) -> World:
    world = World(folder, contract)
    world.measured(
        Span("hcm", at("2026-09-01 00:00"), at("2026-10-03 00:00"), "up"),
        Span("hcm", at("2026-10-03 00:00"), at("2026-10-03 10:00"), "down", "http-status-502"),
        Span("hcm", at("2026-10-03 10:00"), at("2026-10-12 00:00"), "up"),
        Span("hcm", at("2026-10-13 00:00"), at("2026-10-20 00:00"), "up"),
        Span("hcm", at("2026-10-20 00:00"), at("2026-10-20 06:40"), "down"),
        Span("hcm", at("2026-10-20 06:40"), at("2026-11-05 00:00"), "up"),
    )
    windows = (
        ("maintenance", "2026-10-27 00:00", "2026-10-27 02:00", "2026-10-20 00:00", ""),
        ("maintenance", "2026-10-28 00:00", "2026-10-28 02:00", "2026-10-27 20:00", ""),
        ("customer", "2026-10-20 01:00", "2026-10-20 02:00", "2026-10-20 03:00", "<script>alert(1)</script>"),
    )
    with writing(world.engine) as connection:
        for kind, start, end, announced, reason in windows:
            connection.execute(
                exclusions.insert().values(
                    contract="acme",
                    kind=kind,
                    from_us=at(start),
                    to_us=at(end),
                    announced_us=at(announced),
                    reason=reason,
                )
            )
    list(settle_due(world.settling, [world.agreed]))
    return world


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with serving(settled(tmp_path_factory.mktemp("shown"))) as found:
        yield found


def test_every_language_has_every_word_and_the_same_gaps() -> None:
    def words(language: str) -> dict[str, set[str]]:
        text = resources.files("monitor.pages").joinpath("words", f"{language}.json").read_text("utf-8")
        return {key: set(re.findall(r"\{(\w+)\}", word)) for key, word in json.loads(text).items()}

    for language in LANGUAGES[1:]:
        assert words(language) == words("en")


def test_the_page_says_what_the_statement_says(shown: Shown) -> None:
    view = shown.view("en")
    assert (view.title, view.verdict, view.availability) == ("October 2026", "broken", "97.824%")
    assert view.credit == "47 hr"
    assert [step.sum for step in view.steps] == [
        "2,678,400 − 86,400 = 2,592,000",
        "36,000 + 20,400 = 56,400",
        "1 − 56,400 ÷ 2,592,000",
        "(100% − 98%) × 2,592,000 = 51,840",
        "3 × 56,400 = 169,200",
    ]
    assert [row.verdict for row in view.exclusions] == ["Granted", "Granted", "Rejected: announced too late"]
    page = shown.get("/statements/acme/2026-10?language=en").text
    for text in ("October 2026", "97.824%", "47 hr", "crd_acme_2026-10_1", "Waiting to be delivered", KEY.public):
        assert text in page


def test_money_is_computed_line_by_line_with_its_caps(tmp_path: Path) -> None:
    view = Shown(settled(tmp_path, MONEY), "").view("en")
    credit = next(step for step in view.steps if step.title == "Credit")
    assert credit.sum == "1,200,000 × 4,560 ÷ 2,678,400"
    assert credit.note.endswith("at most 1 hr for one outage; at most 50% of the period")
    assert view.credit == "2,043 VND"
    assert view.term is None


def test_persian_is_written_from_right_to_left_with_jalali_dates(tmp_path: Path) -> None:
    shown = Shown(settled(tmp_path, JALALI), "")
    view = shown.view("fa", "1405-07")
    assert view.title == "مهر ۱۴۰۵"
    assert view.outages[0].start == "۱۰ مهر ۱۴۰۵، ۲۰:۳۰:۰۰"
    assert '<html lang="fa" dir="rtl">' in Pages().statement(view)
    assert shown.view("en", "1405-07").title == "Mehr 1405"


def test_what_comes_from_outside_is_escaped(shown: Shown) -> None:
    page = shown.get("/statements/acme/2026-10").text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "ACME Co. &lt;Hà Nội&gt;" in page


def test_the_page_needs_no_script_and_nothing_from_elsewhere(shown: Shown) -> None:
    answer = shown.get("/statements/acme/2026-10")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"<(script|link|img|iframe)\b|\sstyle=|url\(|@import|\son\w+=", answer.text)


def test_the_customer_s_language_is_the_default_and_an_unknown_one_is_english(shown: Shown) -> None:
    assert "Không giữ được cam kết" in shown.get("/statements/acme/2026-10").text
    assert "Không giữ được cam kết" in shown.get("/statements/acme/2026-10?language=../../etc").text
    assert speech("pt-BR", zone("UTC")).language == "en"
    assert speech("zh-Hant", zone("UTC")).language == "zh"


def test_the_files_are_served_byte_for_byte_and_verify(shown: Shown, tmp_path: Path) -> None:
    from monitor.statement.verify import verify_files

    for name in ("statement.json", "contract.yaml", "calendar.json", "evidence.jsonl"):
        answer = shown.get(f"/statements/acme/2026-10/{name}")
        assert answer.headers["x-content-type-options"] == "nosniff"
        (tmp_path / name).write_bytes(answer.content)
    assert verify_files(tmp_path / "statement.json", KEY.public).accepted


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/statements/globex", 404),
        ("/statements/acme/2026-11", 404),
        ("/statements/acme/2026-10?revision=2", 404),
        ("/statements/acme/2026-10?revision=x", 400),
        ("/statements/acme/2026-10/passwd", 404),
        ("/statements/acme/2026-10/..%2f..%2fpasswd", 404),
    ],
)
def test_what_is_not_there_is_not_found(shown: Shown, path: str, status: int) -> None:
    assert shown.get(path).status == status


def test_nothing_but_reading_is_answered(shown: Shown) -> None:
    assert shown.get("/statements/acme/2026-10", "POST").status == 405


def test_the_list_has_every_statement_newest_first(shown: Shown) -> None:
    page = shown.get("/statements/acme?language=en").text
    assert page.index("2026-10") < page.index("2026-09")
    assert "97.824%" in page
    assert "47 hr" in page


def test_the_bar_is_to_scale_and_shows_the_shortest_outage() -> None:
    day = 86_400
    layers = (Painted("up", ((0, day),)), Painted("down", ((0, 1), (43_200, 64_800), (day - 1, day))))
    drawn = marks(layers, 0, day, mirrored=False)
    assert [(mark.x, mark.width) for mark in drawn] == [(0, 1000), (0, 3), (500, 250), (997, 3)]
    mirrored = marks(layers, 0, day, mirrored=True)
    assert [(mark.x, mark.width) for mark in mirrored] == [(0, 1000), (997, 3), (250, 250), (0, 3)]


def test_a_bar_of_many_thousand_outages_stays_small() -> None:
    flapping = tuple((2 * second, 2 * second + 1) for second in range(100_000))
    assert len(marks((Painted("down", flapping),), 0, 200_000, mirrored=False)) <= WIDTH


def test_ratios_are_rounded_down_and_lengths_are_exact() -> None:
    say = speech("en", zone("UTC"))
    assert say.percent(Fraction(999_999_999, 1_000_000_000)) == "99.9999%"
    assert say.number(Fraction(2, 3)) == "0.666666"
    assert say.number(10**40) == f"{10**40:,}"
    assert say.length(3_661_000_001) == "1 hr 1 min 1.000001 sec"
    assert say.length(0) == "0 sec"
    assert say.money("12.30", "USD") == "12.30 USD"
    assert speech("fa", zone("UTC")).percent(Fraction(1, 8)) == "۱۲٫۵٪"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium here, and CI is set: install Debian's chromium")
        pytest.skip("no chromium here: `make test` installs it where it can")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        yield launched
        launched.close()


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_a_browser_shows_it_without_overflow_or_errors(
    shown: Shown, browser: Browser, language: str, width: int, scheme: str
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
    )
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith(shown.url) else None)
    page.goto(f"{shown.url}/statements/acme/2026-10?language={language}")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    direction = page.evaluate("getComputedStyle(document.body).direction")
    styled = page.evaluate("getComputedStyle(document.querySelector('section')).borderTopLeftRadius")
    bar = page.locator("svg.bar").bounding_box()
    page.close()
    assert said == []
    assert wide <= 0
    assert direction == ("rtl" if language == "fa" else "ltr")
    assert styled == "16px"
    assert bar is not None
    assert bar["width"] > width * 0.5


def test_pages_are_made_once_and_serve_many_views(shown: Shown) -> None:
    pages = Pages()
    assert pages.statement(shown.view("en")) == pages.statement(shown.view("en"))
