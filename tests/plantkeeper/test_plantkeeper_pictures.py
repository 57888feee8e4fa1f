"""Pictures of plants that clients send within the row, as data URLs, and get back in the same way."""

from __future__ import annotations

import asyncio
import base64
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from plantkeeper_world import MONSTERA, Gardener, PlantKeeper, assert_error

from hortus.domain.plants.photos import MOST_PIXELS, NotAPhoto
from hortus.http.plantkeeper.pictures import MOST_INLINE_BYTES, MOST_INLINE_BYTES_PER_ANSWER, new_image

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREEN = (20, 140, 60)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    written = BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def data_url(content: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def green(form: str = "PNG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    return encoded(Image.new("RGB", size, GREEN), form, **options)


def noise(side: int) -> Image.Image:
    return Image.effect_noise((side, side), 90).convert("RGB")


def picture_in(text: Any) -> Image.Image:
    """Return the picture in a data URL as our answers have it."""
    head, _, content = text.partition(",")
    assert head == "data:image/jpeg;base64"
    opened = Image.open(BytesIO(base64.b64decode(content, validate=True)))
    opened.load()
    return opened


def is_green(image: Image.Image) -> bool:
    shown = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(shown, tuple)
    return all(abs(one - other) < 12 for one, other in zip(shown, GREEN, strict=True))


async def call(keeper: PlantKeeper, who: Gardener, method: str, path: str, body: Any = None) -> httpx.Response:
    return await keeper.client.request(method, path, json=body, headers=who.headers)


async def photos_of(keeper: PlantKeeper, plant_id: int) -> Any:
    return await keeper.scalar("SELECT count(*) FROM plant_photos WHERE plant_id = :id", id=plant_id)


@pytest.mark.parametrize(("form", "media_type"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")])
async def test_a_picture_comes_back_in_every_row_of_its_plant(
    keeper: PlantKeeper, form: str, media_type: str
) -> None:
    owner = await keeper.gardener()
    plant = await keeper.plant(owner, image=data_url(green(form), f"image/{media_type}"))
    image = plant["image"]
    assert is_green(picture_in(image))
    path = f"/plants/{plant['id']}"
    assert (await call(keeper, owner, "GET", path)).json()["image"] == image
    assert (await call(keeper, owner, "GET", f"{path}/linkedGeneralPlant")).json()["plantImage"] == image
    for listed in ("/plants", "/users/plants"):
        assert [each["image"] for each in (await call(keeper, owner, "GET", listed)).json()] == [image]
    dashboard = (await call(keeper, owner, "GET", "/users/plants/linkedGeneralPlant")).json()
    assert [each["plantImage"] for each in dashboard] == [image]
    for of_user in ("/users/me", f"/users/{owner.id}"):
        me = (await call(keeper, owner, "GET", of_user)).json()
        assert [each["image"] for each in me["plants"]] == [image]


async def test_it_is_the_photo_that_our_own_api_and_pages_show(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    plant = await keeper.plant(owner, image=data_url(green()))
    base = f"http://127.0.0.1:{keeper.port}/api"
    photo = await keeper.client.get(f"{base}/plants/{plant['id']}/photo", headers=owner.headers)
    assert photo.headers["content-type"] == "image/jpeg"
    assert plant["image"] == data_url(photo.content, "image/jpeg")
    row = (await keeper.client.get(f"{base}/plants/{plant['id']}", headers=owner.headers)).json()
    assert row["image"] is None


async def test_place_and_time_are_taken_out_of_it(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    exif = Image.Exif()
    exif[0x0132] = "2026:05:01 12:00:00"  # the time
    exif.get_ifd(0x8825)[1] = "N"  # the place
    content = green("JPEG", exif=exif.tobytes(), comment=b"a secret comment")
    assert b"2026:05:01" in content
    plant = await keeper.plant(owner, image=data_url(content, "image/jpeg"))
    shown = picture_in(plant["image"])
    assert (len(shown.getexif()), "comment" in shown.info) == (0, False)
    stored = await keeper.scalar("SELECT content FROM plant_photos WHERE plant_id = :id", id=plant["id"])
    assert b"2026:05:01" not in stored
    assert b"secret" not in stored


async def test_a_picture_that_grows_when_it_is_stored_is_scaled_until_it_fits(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    tiled = Image.frombytes("1", (1600, 1600), (b"\xaa" * 200 + b"\x55" * 200) * 800)
    sent = encoded(tiled, "PNG")
    assert len(sent) < 75_000 < len(encoded(tiled.convert("RGB"), "JPEG", quality=85))
    plant = await keeper.plant(owner, image=data_url(sent))
    shown = picture_in(plant["image"])
    assert 100 < shown.width == shown.height < 1600
    size = await keeper.scalar("SELECT length(content) FROM plant_photos WHERE plant_id = :id", id=plant["id"])
    assert size <= MOST_INLINE_BYTES
    # So that the whole row can be sent back.
    assert (await call(keeper, owner, "PATCH", f"/plants/{plant['id']}", plant)).status_code == 200


async def test_sending_back_what_was_shown_changes_nothing(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    plant = await keeper.plant(owner, image=data_url(encoded(noise(64), "PNG")))
    path = f"/plants/{plant['id']}"
    for _ in range(3):  # each would make it worse, if it were compressed again
        same = await call(keeper, owner, "PATCH", path, plant | {"remark": "by the window"})
        assert (same.status_code, same.json()["image"]) == (200, plant["image"])
    # A larger one, uploaded to our own API, is shown by its address.
    large = encoded(noise(1600), "JPEG", quality=90)
    upload = f"http://127.0.0.1:{keeper.port}/api/plants/{plant['id']}/photo"
    await keeper.client.put(upload, content=large, headers=owner.headers | {"Content-Type": "image/jpeg"})
    shown = (await call(keeper, owner, "GET", path)).json()
    assert shown["image"].startswith(f"/api/plants/{plant['id']}/photo?v=")
    kept = await call(keeper, owner, "PATCH", path, shown)
    assert kept.json()["image"] == shown["image"]
    assert await keeper.scalar("SELECT image FROM plants WHERE id = :id", id=plant["id"]) is None


@pytest.mark.parametrize(
    ("image", "shown"), [(None, None), ("", None), ("monty.png", "monty.png")], ids=["null", "empty", "name"]
)
async def test_another_image_takes_its_place(keeper: PlantKeeper, image: str | None, shown: str | None) -> None:
    owner = await keeper.gardener()
    plant = await keeper.plant(owner, image=data_url(green()))
    path = f"/plants/{plant['id']}"
    changed = await call(keeper, owner, "PATCH", path, {"image": image})
    assert (changed.status_code, changed.json()["image"]) == (200, shown)
    assert await photos_of(keeper, plant["id"]) == 0
    again = await call(keeper, owner, "PATCH", path, {"image": data_url(green())})
    assert is_green(picture_in(again.json()["image"]))
    untouched = await call(keeper, owner, "PATCH", path, {"remark": "x"})
    assert untouched.json()["image"] == again.json()["image"]


@pytest.mark.parametrize(
    "image",
    [
        "data:",
        "data:image/png;base64,",
        "data:image/png;base64,not base64!",
        "data:image/png;base64,aGVsbG8=",
        data_url(b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "image/svg+xml"),
        data_url(green()[:-40]),
        data_url(encoded(Image.new("P", (8, 8)), "GIF"), "image/gif"),
        "data:image/png,%89PNG",
        "data:text/html,<script>alert(1)</script>",
        "DATA:text/html;base64,PHNjcmlwdD4=",
    ],
)
async def test_what_is_no_picture_is_refused_and_leaves_the_plant_as_it_was(
    keeper: PlantKeeper, image: str
) -> None:
    owner = await keeper.gardener()
    plant = await keeper.plant(owner, image="monty.png")
    path = f"/plants/{plant['id']}"
    assert_error(await call(keeper, owner, "PATCH", path, {"image": image, "name": "other"}), 422)
    shown = (await call(keeper, owner, "GET", path)).json()
    assert (shown["image"], shown["name"]) == ("monty.png", "Monty")
    body = {"name": "Monty", "remark": "", "generalPlant": 1, "image": image}
    assert_error(await call(keeper, owner, "POST", "/plants", body), 422)
    assert len((await call(keeper, owner, "GET", "/plants")).json()) == 1


async def test_a_picture_of_too_many_pixels_is_refused(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    side = int(MOST_PIXELS**0.5) + 1
    bomb = encoded(Image.new("1", (side, side)), "PNG")
    assert len(bomb) < 75_000
    body = {"name": "Monty", "remark": "", "generalPlant": 1, "image": data_url(bomb)}
    refused = await call(keeper, owner, "POST", "/plants", body)
    assert_error(refused, 422)
    assert "million pixels" in refused.json()["message"]


async def test_a_body_of_a_hundred_kilobytes_is_read_and_a_larger_one_refused(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    plant = await keeper.plant(owner)
    path = f"/plants/{plant['id']}"
    url = data_url(green())
    # What follows the end of a PNG file is no part of the picture.
    padded = data_url(green() + b"\0" * 76_000)
    assert 100_000 < len(padded) < 102_400
    fits = await call(keeper, owner, "PATCH", path, {"image": padded})
    assert fits.status_code == 200, fits.text
    assert is_green(picture_in(fits.json()["image"]))
    too_large = await call(keeper, owner, "PATCH", path, {"image": url + "A" * 102_400})
    assert_error(too_large, 413)
    assert is_green(picture_in((await call(keeper, owner, "GET", path)).json()["image"]))


async def test_only_those_who_may_edit_the_plant_change_its_picture(keeper: PlantKeeper) -> None:
    owner, viewer, stranger = [await keeper.gardener() for _ in range(3)]
    sensor_id = await keeper.sensor(owner)
    await keeper.join(viewer, sensor_id)
    plant = await keeper.plant(owner, sensor=sensor_id, image=data_url(green()))
    path = f"/plants/{plant['id']}"
    change = {"image": data_url(encoded(noise(32), "PNG"))}
    for who, status in ((viewer, 403), (stranger, 404)):
        assert_error(await call(keeper, who, "PATCH", path, change), status)
        assert_error(await call(keeper, who, "PATCH", path, {"image": None}), status)
    assert (await call(keeper, viewer, "GET", path)).json()["image"] == plant["image"]


async def test_a_list_has_as_many_pictures_as_fit_and_addresses_for_the_others(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    large = data_url(encoded(noise(240), "JPEG", quality=85), "image/jpeg")
    first = await keeper.plant(owner, image=large)
    size = await keeper.scalar("SELECT length(content) FROM plant_photos WHERE plant_id = :id", id=first["id"])
    fitting = MOST_INLINE_BYTES_PER_ANSWER // size
    await keeper.run(
        "WITH made AS (INSERT INTO plants (owner_id, name)"
        " SELECT :owner, 'Monty' FROM generate_series(1, :count) RETURNING id)"
        " INSERT INTO plant_photos (plant_id, content_type, digest, content)"
        " SELECT made.id, p.content_type, p.digest, p.content"
        " FROM made, plant_photos p WHERE p.plant_id = :first",
        owner=owner.id,
        count=fitting + 5,
        first=first["id"],
    )
    listed = await call(keeper, owner, "GET", "/users/plants")
    images = [each["image"] for each in listed.json()]
    inline = [image.startswith("data:") for image in images]
    assert inline == [True] * fitting + [False] * 6
    assert images[-1].startswith("/api/plants/")
    assert len(listed.content) < 2 * MOST_INLINE_BYTES_PER_ANSWER


async def test_requests_at_once_leave_one_picture(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    plant = await keeper.plant(owner)
    path = f"/plants/{plant['id']}"
    pictures = [Image.new("L", (16, 16), shade) for shade in range(0, 250, 50)]
    urls = [data_url(encoded(picture, "PNG")) for picture in pictures]
    answers = await asyncio.gather(*(call(keeper, owner, "PATCH", path, {"image": url}) for url in urls))
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert await photos_of(keeper, plant["id"]) == 1


async def test_a_general_plant_names_its_picture_and_keeps_none(keeper: PlantKeeper) -> None:
    owner = await keeper.gardener()
    refused = await call(keeper, owner, "POST", "/general-plants", MONSTERA | {"image": data_url(green())})
    assert_error(refused, 422)
    assert "name or an address" in refused.json()["message"]
    made = await call(keeper, owner, "POST", "/general-plants", MONSTERA | {"image": "monstera.png"})
    path = f"/general-plants/{made.json()['id']}"
    assert_error(await call(keeper, owner, "PATCH", path, {"image": "data:text/html,x"}), 422)
    emptied = await call(keeper, owner, "PATCH", path, {"image": ""})
    assert emptied.json()["image"] is None


async def test_every_text_that_begins_like_a_picture_is_one_or_is_refused() -> None:
    heads = ["data:", "data:image/png;base64,", "data:;base64,", "data:x;charset=x;base64,", "DATA:image/png,"]
    rests = ["", "A", "AA==", "=", "\n", "🌱", "A" * 5000, ";" * 5000, ",", "iVBORw0KGgo="]
    for head in heads:
        for rest in rests:
            with pytest.raises(NotAPhoto):
                await new_image(head + rest)
