"""The pages that list, make and change plants and species: who may, what is refused, and what is kept."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import text
from test_plant_page import garden  # noqa: F401  (a fixture)
from web_helpers import add_readings, client_of, log_in

from hortus.domain.plants.state import Condition, Range
from hortus.domain.plants.week import HourOfPlant, days_in_range
from hortus.http.pages.week import picture_of

FORMS = ("edit", "ranges", "links")


async def value(engine, statement, **parameters):
    async with engine.begin() as connection:
        return (await connection.execute(text(statement), parameters)).scalar()


@pytest.fixture
async def flora(engine, garden):  # noqa: F811
    """A client of flora, who owns all plants of the garden and may configure the kit `members`."""
    await value(
        engine,
        "INSERT INTO kit_memberships (user_id, kit_id, datetime_linked, access_super, access_configure)"
        " SELECT id, :kit, now(), false, true FROM users WHERE username = 'flora' RETURNING user_id",
        kit=garden.kits["members"].id,
    )
    async with client_of(engine) as client:
        await log_in(client, "flora")
        yield client


async def test_only_who_may_change_a_plant_gets_its_forms(engine, garden):  # noqa: F811
    plant_id = garden.plants["members"]
    async with client_of(engine) as client:
        for form in FORMS:
            hidden = await client.get(f"/plants/{plant_id}/{form}")
            assert (hidden.status_code, hidden.headers["location"]) == (
                303,
                f"/login?next=/plants/{plant_id}/{form}",
            )
        await log_in(client, "ada")
        for form in FORMS:
            assert (await client.get(f"/plants/{plant_id}/{form}")).status_code == 403
            assert (await client.post(f"/plants/{plant_id}/{form}", data={"name": "x"})).status_code == 403
            absent = await client.get(f"/plants/{garden.plants['private']}/{form}")
            assert absent.status_code == 404
        page = (await client.get(f"/plants/{plant_id}")).text
        assert "Only the plant's owner and people who may configure its kit can change it." in page.replace(
            "&#39;", "'"
        )
        assert f"/plants/{plant_id}/edit" not in page
        rules = await client.get(f"/plants/{plant_id}/alert-rules")
        assert (rules.status_code, '<form method="post" action="/plants/' in rules.text) == (200, False)
        assert (await client.post(f"/plants/{plant_id}/alert-rules", data=RULES)).status_code == 403
        for form in ("delete", "photo", "photo/delete"):
            assert (await client.post(f"/plants/{plant_id}/{form}")).status_code == 403


async def test_a_plant_is_made_with_a_species_by_its_scientific_name_and_a_kit(engine, garden, flora):  # noqa: F811
    kit = garden.kits["members"]
    page = (await flora.get("/plants/new")).text
    assert '<option value="Monstera (Monstera deliciosa)">' in page
    assert "Kit of members: the whole kit" in page
    assert "Private kit" not in page
    sent = {"name": "Fern", "species": "monstera delic", "remark": "By the\r\nwindow", "source": str(kit.id)}
    made = await flora.post("/plants/new", data=sent)
    assert made.status_code == 303
    plant_id = int(re.search(r"/plants/(\d+)\?said=created", made.headers["location"])[1])
    row = await value(engine, "SELECT (species_id, remark)::text FROM plants WHERE id = :id", id=plant_id)
    assert row == '(1,"By the\nwindow")'
    page = (await flora.get(made.headers["location"])).text
    assert "Plant created." in page
    assert "Kit of members" in page
    assert "Fern" in (await flora.get("/plants")).text


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"name": " "}, "Enter a name."),
        ({"name": "x" * 81}, "Use at most 80 characters."),
        ({"name": "a\u202eb"}, "This text has characters that cannot be shown."),
        ({"name": "x", "species": "no such"}, "There is no species of this name."),
        ({"name": "x", "species": "a"}, "Several species have this name."),
        ({"name": "x", "source": "1000000"}, "Choose a kit that you may configure."),
        ({"name": "x", "source": "x"}, "Choose a kit that you may configure."),
    ],
)
async def test_a_form_that_is_refused_comes_back_filled_in_and_makes_nothing(engine, flora, sent, words):
    before = await value(engine, "SELECT count(*) FROM plants")
    again = await flora.post("/plants/new", data={"remark": "kept", **sent})
    assert (again.status_code, words in again.text, "kept</textarea>" in again.text) == (422, True, True)
    assert "data-takes-focus" in again.text
    assert await value(engine, "SELECT count(*) FROM plants") == before


async def test_name_and_species_are_changed_and_the_name_has_to_be_typed_to_delete(engine, garden, flora):  # noqa: F811
    plant_id = garden.plants["own"]
    done = await flora.post(f"/plants/{plant_id}/edit", data={"name": "Monty II", "species": "", "remark": ""})
    assert (done.status_code, done.headers["location"]) == (303, f"/plants/{plant_id}?said=changed")
    assert await value(engine, "SELECT species_id FROM plants WHERE id = :id", id=plant_id) is None
    wrong = await flora.post(f"/plants/{plant_id}/delete", data={"typed": "monty"})
    assert (wrong.status_code, "Type the name of the plant exactly" in wrong.text) == (422, True)
    assert "Readings stay with the kit." in wrong.text
    done = await flora.post(f"/plants/{plant_id}/delete", data={"typed": "Monty II"})
    assert (done.status_code, done.headers["location"]) == (303, "/plants?said=deleted")
    assert await value(engine, "SELECT count(*) FROM plants WHERE id = :id", id=plant_id) == 0


async def test_a_photo_is_turned_upright_and_cleaned_and_another_file_is_refused(engine, garden, flora):  # noqa: F811
    plant_id = garden.plants["own"]
    taken = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    exif[0x010E] = "my garden"
    Image.new("RGB", (64, 32), "green").save(taken, "JPEG", exif=exif)
    address = f"/plants/{plant_id}/photo"
    done = await flora.post(address, files={"photo": ("p.jpg", taken.getvalue(), "image/jpeg")})
    assert (done.status_code, done.headers["location"]) == (303, f"/plants/{plant_id}?said=photo")
    shown = Image.open(BytesIO((await flora.get(address)).content))
    assert (shown.size, dict(shown.getexif())) == ((32, 64), {})
    for file, words in (
        (("p.jpg", b"no picture", "image/jpeg"), "cannot be read as a photo"),
        (("p.gif", taken.getvalue(), "image/gif"), "Use a JPEG, PNG or WebP file."),
        (("p.jpg", b"x" * (10 * 1024 * 1024 + 100_000), "image/jpeg"), "A photo may have at most 10 MB."),
    ):
        refused = await flora.post(address, files={"photo": file})
        assert (refused.status_code, words in refused.text) == (422, True)
    nothing = await flora.post(address, files={"other": ("p.jpg", b"", "image/jpeg")})
    assert "Choose a photo first." in nothing.text
    unreadable = await flora.post(
        address, content=b"--x", headers={"content-type": "multipart/form-data; boundary=y"}
    )
    assert unreadable.status_code in {400, 422}
    assert (await flora.post(f"{address}/delete")).status_code == 303
    assert (await flora.get(address)).status_code == 404


async def test_ranges_are_the_species_the_plants_own_or_none(engine, garden, flora, database_url):  # noqa: F811
    plant_id = garden.plants["members"]
    await add_readings(
        database_url, garden.kits["members"], [(datetime.now(UTC) - timedelta(minutes=30), 17.0)]
    )
    # As ingest notes for the charts, which otherwise know of no readings.
    await value(
        engine,
        "INSERT INTO series_touched_hours (kit_id, hour)"
        " SELECT DISTINCT kit_id, date_bin('1 hour', datetime, 'epoch') FROM raw_measurements RETURNING 1",
    )
    address = f"/plants/{plant_id}/ranges"
    page = (await flora.get(address)).text
    assert "As the species: <bdi>18–27" in page
    assert 'class="week-picture"' in page
    wrong = await flora.post(address, data={"choice-1": "own", "min-1": "20,5", "max-1": "x"})
    assert (wrong.status_code, "Enter a number, for example 18.5." in wrong.text) == (422, True)
    assert 'value="20,5"' in wrong.text
    for low, high in (("5", "4"), ("", "")):
        sent = {"choice-1": "own", "min-1": low, "max-1": high}
        assert (await flora.post(address, data=sent)).status_code == 422
    sent = {"choice-1": "own", "min-1": "20,5", "max-1": "", "choice-3": "none", "choice-999": "species"}
    assert (await flora.post(address, data=sent)).status_code == 303
    ranges = "SELECT array_agg((quantity_type_id, minimum, maximum)::text ORDER BY 1) FROM plant_ranges"
    assert await value(engine, ranges) == ["(1,20.5,)", "(3,,)"]
    assert (await flora.post(address, data={"choice-1": "species"})).status_code == 303
    assert await value(engine, ranges) == ["(3,,)"]
    unknown = await flora.post(address, data={"choice-999": "own", "min-999": "1"})
    assert unknown.status_code == 422


async def test_a_plant_that_moved_keeps_what_measured_it_before(engine, garden, flora):  # noqa: F811
    plant_id, kit = garden.plants["public"], garden.kits["members"]
    address = f"/plants/{plant_id}/links"
    today = datetime.now(UTC).date()
    assert "the whole kit" in (await flora.get(address)).text
    for sent, words in (
        ({"source": "7", "since": ""}, "Choose a kit that you may configure."),
        ({"source": str(kit.id), "since": "x"}, "Enter a date"),
        (
            {"source": str(kit.id), "since": str(today + timedelta(days=2))},
            "A link must end now or in the past.",
        ),
        ({"source": str(kit.id), "since": str(today - timedelta(days=9))}, "A link must end after it started."),
    ):
        refused = await flora.post(address, data=sent)
        assert (refused.status_code, words in refused.text) == (422, True), sent
    assert await value(engine, "SELECT count(*) FROM plant_links WHERE plant_id = :id", id=plant_id) == 1
    moved = await flora.post(address, data={"source": str(kit.id), "since": str(today), "how": "move"})
    assert (moved.status_code, moved.headers["location"]) == (303, f"{address}?said=moved")
    links = (
        "SELECT array_agg((kit_id, linked_until IS NULL)::text ORDER BY linked_from) FROM plant_links"
        " WHERE plant_id = :id"
    )
    public = garden.kits["public"].id
    assert await value(engine, links, id=plant_id) == [f"({public},f)", f"({kit.id},t)"]
    thermometer = f"{kit.id}:1:{kit.peripherals[0].name}"
    also = await flora.post(address, data={"source": thermometer, "how": "also"})
    assert also.headers["location"] == f"{address}?said=linked"
    page = (await flora.get(address)).text
    ids = re.findall(r'id="end-(\d+)"', page)
    assert len(ids) == 2
    assert (await flora.post(f"{address}/{ids[0]}/end")).status_code == 303
    assert (await flora.post(f"{address}/{ids[1]}/delete")).status_code == 303
    assert (await flora.post(f"{address}/{ids[1]}/delete")).status_code == 404
    assert "Nothing measures it now." in (await flora.get(f"/plants/{plant_id}")).text


RULES = {"enabled": "yes", "hold": "2,5", "hysteresis": "10", "pause": "86400"}


async def test_alert_rules_are_stored_and_turning_them_off_closes_alerts(engine, garden, flora):  # noqa: F811
    plant_id = garden.plants["members"]
    address = f"/plants/{plant_id}/alert-rules"
    assert 'name="hold" type="text" value="5"' in (await flora.get(address)).text
    wrong = await flora.post(address, data={**RULES, "hold": "1441", "hysteresis": "-1", "pause": "x"})
    assert wrong.status_code == 422
    for words in ("from 0 to 1440", "from 0 to 50", "Choose how often to remind."):
        assert words in wrong.text
    assert (await flora.post(address, data=RULES)).status_code == 303
    stored = (
        "SELECT (enabled, hold_seconds, hysteresis_percent, pause_seconds)::text FROM plant_alert_settings"
        " WHERE plant_id = :id"
    )
    assert await value(engine, stored, id=plant_id) == "(t,150,10,86400)"
    await value(
        engine,
        "INSERT INTO alerts (kind, plant_id, quantity_type_id, kit_id, condition, began_at)"
        " VALUES ('range', :plant, 1, :kit, 'low', now()) RETURNING id",
        plant=plant_id,
        kit=garden.kits["members"].id,
    )
    await flora.post(address, data={key: each for key, each in RULES.items() if key != "enabled"})
    assert await value(engine, "SELECT ending FROM alerts") == "withdrawn"


async def test_ones_own_species_is_made_changed_and_deleted_while_no_plant_is_of_it(engine, flora):
    sent = {"name": "Basil", "scientific_name": "Ocimum basilicum", "min-1": "15", "sources": "My windowsill"}
    assert (await flora.post("/species/new", data={**sent, "name": ""})).status_code == 422
    made = await flora.post("/species/new", data=sent)
    address = made.headers["location"].split("?")[0]
    page = (await flora.get(address)).text
    for words in ("Ocimum basilicum", "at least 15", "My windowsill"):
        assert words in page
    for wanted, is_there in (("basil", True), ("OCIMUM", True), ("%", False)):
        assert ("Basil" in (await flora.get("/species", params={"q": wanted})).text) is is_there
    await flora.post(f"{address}/edit", data={**sent, "min-1": "", "max-1": "30,5"})
    assert "at most 30.5" in (await flora.get(address)).text
    await flora.post("/plants/new", data={"name": "Pot", "species": "Ocimum basilicum"})
    assert "1 plant is of this species, so it cannot be deleted." in (await flora.get(address)).text
    assert (await flora.post(f"{address}/delete")).status_code == 409
    await value(engine, "DELETE FROM plants WHERE name = 'Pot' RETURNING 1")
    async with client_of(engine) as other:
        assert (await other.get(address)).status_code == 303
        await log_in(other, "bob")
        assert (await other.get(address)).status_code == 404
        assert (await other.post(f"{address}/delete")).status_code == 404
    assert (await flora.post(f"{address}/delete")).headers["location"] == "/species?said=deleted"
    assert (await flora.post("/species/1/edit", data=sent)).status_code == 403


async def test_strangers_see_species_that_ship_with_hortus_and_no_forms(engine):
    async with client_of(engine) as client:
        assert "Monstera deliciosa" in (await client.get("/species")).text
        assert "Seed data of PlantKeeper" in (await client.get("/species/1")).text
        for path in ("/plants", "/plants/new", "/species/new"):
            assert (await client.get(path)).headers["location"] == f"/login?next={path}"


NOON = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)


def hour(back, mean):
    start = NOON.replace(minute=0) - timedelta(hours=back)
    return HourOfPlant(start=start, mean=mean, minimum=mean - 1, maximum=mean + 1)


def test_a_day_is_judged_by_its_hours_with_readings_and_says_how_many_had_none():
    hours = [hour(30, 20.0), hour(29, 14.0), hour(2, 20.0), hour(1, 28.0), hour(0, 29.0)]
    days = days_in_range(hours, Range(minimum=15, maximum=24), NOON, UTC)
    assert [day.day.day for day in days] == [24, 25, 26, 27, 28, 29, 30]
    assert [(day.hours, day.measured, day.inside, day.side) for day in days[-2:]] == [
        (24, 2, 1, Condition.LOW),
        (13, 3, 1, Condition.HIGH),
    ]
    assert (days[0].measured, days[0].share) == (0, None)


def test_the_picture_of_a_week_has_no_line_across_hours_without_readings():
    picture = picture_of(
        [hour(9, 20.0), hour(8, 21.0), hour(3, 14.0)], Range(minimum=15), NOON - timedelta(days=6), NOON
    )
    assert [len(line.split()) for line in picture.lines] == [2, 2]
    assert len(picture.edges) == 1
    assert picture.band[1] > 0
