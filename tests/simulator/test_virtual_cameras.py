"""The pictures of virtual cameras, their schedules, and simulated faults of answers."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone

import pytest
from PIL import Image

from hortus.protocol.wire.codec import decode_kit_rpc_response
from hortus.protocol.wire.errors import WireError
from hortus.simulator.answering import unreadable
from hortus.simulator.camera import next_picture
from hortus.simulator.configuration import ScheduledPicture
from hortus.simulator.devices import DEVICES
from hortus.simulator.faults import UnknownFaultError
from hortus.simulator.pictures import Scene, draw
from hortus.simulator.rpc_faults import USUAL_CHANCE, RpcFault, RpcFaultDice, RpcFaultPlan, parse_rpc_faults

KINDS = sorted({kind for device in DEVICES for kind in device.pictures})
SCENE = Scene(light_lux=900, plants=0.8, seed=5)
ZONE = timezone(timedelta(hours=2))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_a_png_of_the_contracts_size(kind: str) -> None:
    image = Image.open(io.BytesIO(draw(kind, SCENE)))
    assert (image.format, image.size) == ("PNG", (600, 400))
    assert draw(kind, SCENE) == draw(kind, SCENE)


def test_a_picture_in_the_dark_is_darker_than_one_by_day() -> None:
    def brightness(light_lux: float) -> float:
        picture = Image.open(io.BytesIO(draw("regular", Scene(light_lux=light_lux, plants=1, seed=1))))
        return sum(picture.convert("L").resize((8, 8)).tobytes())

    assert brightness(0) < brightness(200) < brightness(2000)


def test_uniform_has_one_colour_and_art_has_more() -> None:
    def colours(kind: str) -> int:
        found = Image.open(io.BytesIO(draw(kind, SCENE))).getcolors(1_000_000)
        return len(found or ())

    assert colours("uniform") == 1
    assert colours("art") > 3


def test_the_next_picture_is_the_next_time_of_day_or_the_first_of_tomorrow() -> None:
    schedule = (
        ScheduledPicture(time_of_day="06:00:00", command="regular"),
        ScheduledPicture(time_of_day="18:30", command="nir"),
    )
    day = datetime(2026, 11, 22, tzinfo=ZONE)
    assert next_picture(schedule, day + timedelta(hours=7)) == (day + timedelta(hours=18, minutes=30), "nir")
    assert next_picture(schedule, day + timedelta(hours=19)) == (day + timedelta(days=1, hours=6), "regular")
    # At exactly that time it has just been taken.
    assert next_picture(schedule, day + timedelta(hours=6))[1] == "nir"


def test_faults_of_answers_are_read_with_their_chances() -> None:
    assert parse_rpc_faults("") == RpcFaultPlan()
    assert parse_rpc_faults("late, twice:0.5").chances == {RpcFault.LATE: USUAL_CHANCE, RpcFault.TWICE: 0.5}
    assert set(parse_rpc_faults("all:1").chances) == set(RpcFault)


@pytest.mark.parametrize("text", ["lat", "late:2", "late:x"])
def test_invalid_faults_of_answers_are_refused_with_an_explanation(text: str) -> None:
    with pytest.raises(UnknownFaultError, match=r"fault|probability"):
        parse_rpc_faults(text)


def test_a_certain_fault_always_strikes_and_an_impossible_one_never() -> None:
    assert {RpcFaultDice(parse_rpc_faults("rubbish:1"), "s").throw() for _ in range(20)} == {RpcFault.RUBBISH}
    assert RpcFaultDice(parse_rpc_faults("all:0"), "s").throw() is None


@pytest.mark.parametrize("request_id", [0, 1, 0x0102030405060708, 2**64 - 1])
def test_rubbish_cannot_be_read_but_its_id_can(request_id: int) -> None:
    with pytest.raises(WireError) as caught:
        decode_kit_rpc_response(unreadable(request_id))
    assert caught.value.rpc_id == request_id
