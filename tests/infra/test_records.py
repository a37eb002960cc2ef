"""Steps on a real engine: what is recorded in the customer's database, and what an interruption leaves."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crm.errors import HostError
from crm.plan import Release
from crm.recipe import Exec, Recipe, Secret, Slotted, Step
from crm.records import parse
from crm.steps import Records
from infra import naming, psql, records, steplog, steprun
from infra.asking import Site, ran
from infra.engine.connect import Reach, connect
from infra.engine.engine import Engine
from infra.engine.files import Volume
from infra.engine.lock import Held, lock
from infra.templates import begin
from tests.support.engine import RealEngine
from tests.support.images import Images
from tests.support.postgresql import Customer, customer
from tests.support.released import cloud_want, lay_out, notebook_image
from tests.support.smallapp.recipe import RECIPE

pytestmark = pytest.mark.slow
STEPS = {step.name: step for step in RECIPE.steps}
RELEASE = Release("smallapp", "1.0", "0" * 64, "1")


@pytest.fixture(scope="module")
def host(engine: RealEngine) -> Iterator[Engine]:
    with connect(Reach(engine.url)) as connected:
        yield connected


@pytest.fixture(scope="module")
def running(host: Engine, images: Images) -> Iterator[Customer]:
    with customer(host, f"t{uuid.uuid4().hex[:8]}", images.postgresql) as one:
        yield one


@pytest.fixture
def acme(running: Customer) -> Customer:
    """A customer whose database is empty."""
    begin(running.engine, running.contract, None)
    return running


@pytest.fixture
def site(acme: Customer, engine: RealEngine, images: Images) -> Site:
    """Version 1.0 of the small application, laid out."""
    return lay_out(acme, cloud_want(acme.contract), notebook_image(engine, images), images)


@pytest.fixture
def held(site: Site) -> Iterator[Held]:
    with lock(site.engine, site.contract, "deploy", "test", image=site.placed.image) as mine:
        yield mine


def found(site: Site) -> Records:
    return records.read(site.engine, site.contract)


def run(site: Site, held: Held, *names: str) -> None:
    for name in names:
        steprun.run_step(site, held, STEPS[name])


def no_step_left(site: Site) -> bool:
    return site.engine.container(naming.step(site.contract)) is None


def test_an_empty_database_says_nothing_and_one_that_is_gone_neither(acme: Customer) -> None:
    assert records.read(acme.engine, acme.contract) == Records({})
    acme.sql("RESET ROLE; DROP DATABASE crm WITH (FORCE);", database="postgres")
    assert records.read(acme.engine, acme.contract) == Records({})
    begin(acme.engine, acme.contract, None)
    acme.sql("CREATE TABLE theirs (x int)")
    assert records.read(acme.engine, acme.contract).others == 1


def test_a_record_is_written_once_and_belongs_to_the_crms_role(acme: Customer) -> None:
    def mark(name: str, state: str, release: Release = RELEASE, *, reached: bool = False) -> Records:
        records.mark(acme.engine, acme.contract, name, state, release, reached=reached)  # type: ignore[arg-type] # either
        return records.read(acme.engine, acme.contract)

    odd = "it's \"odd\" \\ 'n' $x"
    assert mark(odd, "started") == Records({odd: "started"}, ("smallapp", "1.0", "1"))
    assert mark(odd, "finished").steps == {odd: "finished"}
    later = replace(RELEASE, version="1.1")
    assert mark("derive@x", "finished", later).schema == ("smallapp", "1.1", "1")
    new = Release("smallapp", "2.0", "2" * 64, "2")
    assert mark("upgrade>2", "started", new).schema == ("smallapp", "1.1", "1")
    assert mark("upgrade>2", "finished", new, reached=True).schema == ("smallapp", "2.0", "2")
    assert acme.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'crmhost%'") == "crm"


def test_what_was_derived_for_a_release_is_forgotten_with_it(acme: Customer) -> None:
    for name in ("seed", "derive@a_1", "derive@ab1"):
        records.mark(acme.engine, acme.contract, name, "finished", RELEASE)
    records.forget_release(acme.engine, acme.contract, "a_1")
    assert records.read(acme.engine, acme.contract).steps == {"seed": "finished", "derive@ab1": "finished"}


def test_a_database_that_is_down_is_one_clear_error(acme: Customer) -> None:
    name = naming.database(acme.contract)
    acme.engine.client.pause(name)
    acme.engine.unpause(name)
    acme.engine.stop(name)
    with pytest.raises(HostError):
        records.read(acme.engine, acme.contract)
    acme.engine.start(name)
    psql.wait(acme.engine, acme.contract)


def test_every_step_runs_once_and_is_recorded(site: Site, held: Held, acme: Customer) -> None:
    run(site, held, "schema", "seed", "derive", "admin", "register")
    release = site.placed.release
    assert found(site).steps == dict.fromkeys(
        ("schema", "seed", f"derive@{release.id}", "admin", "register"), "finished"
    )
    assert found(site).schema == ("smallapp", "1.0", "1")
    assert not steprun.run_step(site, held, STEPS["admin"])
    assert acme.sql("SELECT count(*) FROM registration") == "1"
    assert no_step_left(site)
    css = site.engine.get(files(site), "/static/style.css")
    assert css is not None
    assert b"1.0" in css


def files(site: Site) -> Volume:

    return Volume(naming.release_volume(site.contract, site.placed.tag, "files"))


def test_a_step_that_fails_stays_started_and_shows_its_output_without_secrets(site: Site, held: Held) -> None:
    code = "import sys; print(*range(200), sep='\\n'); print('got', sys.stdin.read())"
    shows = Exec((Slotted("{python}"), "-c", code), stdin=(Secret("admin-password"),))
    step = replace(STEPS["schema"], ways=(shows,))
    with pytest.raises(HostError, match=r"step schema did not print .* \(exit 0\)") as failure:
        steprun.run_step(site, held, step)
    assert "***" in failure.value.what
    assert f"crmhost logs {site.contract} steps" in failure.value.remedy
    (kept,) = steplog.kept(site.engine, site.contract)[-1:]
    assert (kept.step, kept.release) == ("schema", site.placed.release.id)
    assert [line.rstrip() for line in kept.text.splitlines()] == [*map(str, range(200)), "got ***"]
    assert site.want.secrets["admin-password"] not in repr(failure.value) + kept.text
    assert found(site).steps == {"schema": "started"}
    assert no_step_left(site)


def test_a_step_whose_question_does_not_hold_afterwards_is_not_finished(site: Site, held: Held) -> None:
    run(site, held, "schema")
    lying = replace(STEPS["seed"], ways=(Exec((Slotted("{python}"), "-c", "print('seeded')")),))
    with pytest.raises(HostError, match="the recipe's question says that it is not done"):
        steprun.run_step(site, held, lying)
    assert found(site).steps["seed"] == "started"


def test_a_step_that_takes_too_long_is_ended(site: Site, held: Held) -> None:
    slow = replace(
        STEPS["schema"],
        ways=(Exec((Slotted("{python}"), "-c", "import time; print('hm', flush=True); time.sleep(60)")),),
        timeout=1,
    )
    with pytest.raises(HostError, match="did not end within 1 s"):
        steprun.run_step(site, held, slow)
    assert no_step_left(site)
    assert steplog.kept(site.engine, site.contract)[-1].text.strip() == "hm"


def test_the_database_has_the_schema_with_the_end_of_the_upgrade(
    site: Site, held: Held, acme: Customer, images: Images
) -> None:
    run(site, held, "schema", "seed", "derive", "admin", "register")
    acme.sql("INSERT INTO note (text) VALUES ('kept')")
    new = lay_out(acme, cloud_want(acme.contract, "2.0"), site.placed.image, images, "b")
    run(new, held, "upgrade", "derive")
    assert found(new).schema == ("smallapp", "2.0", "2")
    assert acme.sql("SELECT text, author FROM note") == "kept|unknown"
    with pytest.raises(AssertionError, match="author"):
        acme.sql("INSERT INTO note (text) VALUES ('lost')")


def slow_step(recipe: Recipe, says: str) -> tuple[Recipe, Step]:
    code = f"import time; time.sleep(1.5); print({says!r})"
    step = replace(STEPS["schema"], ways=(Exec((Slotted("{python}"), "-c", code)),))
    return replace(recipe, steps=(step, *recipe.steps[1:])), step


@pytest.mark.parametrize(("says", "state"), [("initialised schema 1", "finished"), ("half", "started")])
def test_the_end_of_a_step_that_nobody_saw_is_written_down_by_the_next(site: Site, says: str, state: str) -> None:
    recipe, step = slow_step(RECIPE, says)
    orphan = replace(site, want=replace(site.want, recipe=recipe))

    def killed() -> None:
        """Begin the step, and never come to record its end."""
        program = step.ways[0]
        assert isinstance(program, Exec)
        records.mark(site.engine, site.contract, "schema", "started", site.placed.release)
        ran(orphan, program, "step", "step", 30, **{naming.LABEL_STEP: "schema"})

    thread = threading.Thread(target=killed)
    thread.start()
    until = time.monotonic() + 30
    while steprun.ended(site.engine, orphan.want) is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    thread.join()
    end = steprun.ended(site.engine, orphan.want)
    assert steprun.with_end(found(site), end).steps == {"schema": state}
    assert found(site).steps == {"schema": "started"}
    before = steplog.kept(site.engine, site.contract)
    assert steprun.settle(site.engine, orphan.want, site.placed.release) == end
    new = [each.text.strip() for each in steplog.kept(site.engine, site.contract)[len(before) :]]
    assert new == ([] if state == "finished" else ["half"])
    assert found(site).steps == {"schema": state}
    assert no_step_left(site)
    assert steprun.settle(site.engine, orphan.want, site.placed.release) is None


@pytest.mark.parametrize("text", ["", "{}\nnull", "{}\nnull\nx", '{"a": "half"}\nnull\n0', "[]\nnull\n0", "{}\n[1]\n0"])
def test_what_crmhost_did_not_write_is_named(text: str) -> None:
    with pytest.raises(HostError, match="acme: its records of steps read"):
        parse(text, "acme")
