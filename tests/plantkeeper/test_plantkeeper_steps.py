"""The steps from nothing to a stored reading (plantkeeper 7.2), with our honest statuses."""

from __future__ import annotations

import jwt
import pytest
from plantkeeper_world import MONSTERA, PlantKeeper, assert_error

pytestmark = pytest.mark.asyncio(loop_scope="module")

READING = {"temperature": 21.46, "humidity": 55, "light": 900, "id": 1}


async def test_from_nothing_to_a_stored_reading(keeper: PlantKeeper) -> None:
    client = keeper.client
    assert (await client.get("")).text == "Hello World!"
    assert (await client.get("/")).text == "Hello World!"

    alice = {"username": "alice", "email": "alice@example.org", "password": "s3cret s3cret", "role": "Admin"}
    made = await client.post("/users", json=alice)
    assert made.status_code == 201
    user = made.json()
    assert user.pop("createdAt").endswith("Z")
    assert user.pop("updatedAt").endswith("Z")
    # Never a hash, and users cannot make themselves administrators.
    assert user == {"username": "alice", "email": "alice@example.org", "role": "User", "id": user["id"]}

    answer = await client.post("/auth/login", json={"email": "alice@example.org", "password": "s3cret s3cret"})
    assert (answer.status_code, answer.json().keys()) == (201, {"access_token"})
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert claims["sub"] == str(user["id"])
    assert (claims["email"], claims["username"], claims["role"]) == ("alice@example.org", "alice", "User")
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    # The original allows this for everyone.
    assert_error(await client.post("/general-plants", json=MONSTERA), 401)
    general = await client.post("/general-plants", json=MONSTERA, headers=bearer)
    assert general.status_code == 201
    general_plant_id = general.json()["id"]
    assert general.json().items() >= (MONSTERA | {"image": None}).items()

    registered = await client.post("/users/sensors", json={"name": "pot 1", "remark": ""}, headers=bearer)
    assert registered.status_code == 201
    sensor = registered.json()
    assert (await client.get("/users/sensors", headers=bearer)).json() == [sensor]
    assert sensor | {"createdAt": "", "updatedAt": ""} == {
        "id": 1,
        "userId": user["id"],
        "name": "pot 1",
        "remark": "",
        "humidity": None,
        "light": None,
        "temperature": None,
        "createdAt": "",
        "updatedAt": "",
        "lastAlert": None,
    }

    monty = {"name": "Monty", "remark": "", "generalPlant": {"id": general_plant_id}, "sensor": {"id": 1}}
    planted = await client.post("/users/plants", json=monty, headers=bearer)
    assert planted.status_code == 201
    plant_id = planted.json()["id"]

    patched = await client.patch("/sensors/1", json=READING, headers=bearer)
    assert patched.status_code == 200
    assert patched.json() | {"updatedAt": ""} == sensor | {
        "humidity": 55,
        "light": 900,
        "temperature": 21.46,
        "updatedAt": "",
    }
    assert await keeper.stored(1) == [("Temperature", 21.46), ("Soil moisture", 55.0), ("Light level", 900.0)]

    assert_error(await client.patch("/sensors/99", json=READING | {"id": 99}, headers=bearer), 404)

    view = await client.get("/users/plants/linkedGeneralPlant", headers=bearer)
    assert view.json() == [
        {
            "plantId": plant_id,
            "plantName": "Monty",
            "plantRemark": "",
            "plantImage": None,
            "plantSensorId": 1,
            "sensorHumidity": 55,
            "sensorLight": 900,
            "sensorTemperature": 21.46,
            "sensorName": "pot 1",
            "generalPlantId": general_plant_id,
            "generalPlantImage": None,
            "generalPlantType": "Monstera",
            "generalPlantHumidityMin": 40,
            "generalPlantHumidityMax": 60,
            "generalPlantLightMin": 500,
            "generalPlantLightMax": 1500,
            "generalPlantTemperatureMin": 18.0,
            "generalPlantTemperatureMax": 27.0,
            "generalPlantDescription": "d",
        }
    ]
    linked = await client.get("/users/sensors/linkedPlant", headers=bearer)
    assert linked.json() == [
        {
            "sensorId": 1,
            "sensorName": "pot 1",
            "sensorRemark": "",
            "sensorHumidity": 55,
            "sensorLight": 900,
            "sensorTemperature": 21.46,
            "plantId": plant_id,
            "plantName": "Monty",
        }
    ]
    me = (await client.get("/users/me", headers=bearer)).json()
    assert [each["id"] for each in me["sensors"]] == [1]
    assert [(each["id"], each["sensor"]["id"]) for each in me["plants"]] == [(plant_id, 1)]
    assert "password" not in str(me)
