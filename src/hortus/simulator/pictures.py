"""The pictures of virtual kits' cameras: PNGs of 600 × 400, as kit-mqtt 8 specifies."""

from __future__ import annotations

import colorsys
import io
import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

WIDTH, HEIGHT = 600, 400
MEDIA_TYPE = "image/png"

_GROUND = 300
_FULL_LIGHT_LUX = 2000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The scene before the camera: its brightness, the amount of plants, and a random seed."""

    light_lux: float
    plants: float
    seed: int


def draw(kind: str, scene: Scene) -> bytes:
    """Return a picture: `uniform` in one colour, `art` of shapes, any other kind of the plants."""
    chance = random.Random(scene.seed)  # noqa: S311 - chance, no secret
    match kind:
        case "uniform":
            image = Image.new("RGB", (WIDTH, HEIGHT), _colour(chance.random(), 0.6, 0.9))
        case "art":
            image = _art(chance)
        case _:
            image = _plants(kind, scene, chance)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _art(chance: random.Random) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), _colour(chance.random(), 0.2, 1.0))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        left, top = chance.randrange(WIDTH), chance.randrange(HEIGHT)
        box = (left, top, left + chance.randrange(20, 250), top + chance.randrange(20, 250))
        shape = chance.choice((pen.ellipse, pen.rectangle))
        shape(box, fill=_colour(chance.random(), 0.7, 0.9))
    return image


def _plants(kind: str, scene: Scene, chance: random.Random) -> Image.Image:
    # A camera adapts to the light; only darkness stays dark.
    value = 0.25 + 0.75 * min(1.0, math.sqrt(max(0.0, scene.light_lux) / _FULL_LIGHT_LUX))
    image = Image.new("RGB", (WIDTH, HEIGHT), _colour(0.55, 0.08, value))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, _GROUND, WIDTH, HEIGHT), fill=_colour(0.07, 0.55, 0.35 * value))
    for number in range(max(1, round(5 * scene.plants))):
        x = WIDTH * (number + 0.5) / max(1, round(5 * scene.plants)) + chance.uniform(-15, 15)
        _plant(pen, x, 60 + 110 * min(1.5, scene.plants) * chance.uniform(0.7, 1.0), value, chance)
    if kind == "nir":
        return image.convert("L")
    if kind == "ndvi":
        return ImageOps.colorize(image.convert("L"), black="darkred", mid="gold", white="limegreen")
    return image


def _plant(pen: ImageDraw.ImageDraw, x: float, height: float, value: float, chance: random.Random) -> None:
    top = _GROUND - height
    pen.line((x, _GROUND, x, top), fill=_colour(0.28, 0.5, 0.45 * value), width=5)
    leaves = 6
    for number in range(leaves):
        y = _GROUND - height * (number + 1) / leaves
        length = height * chance.uniform(0.25, 0.45) * (1.1 - number / leaves / 2)
        side = 1 if number % 2 else -1
        near, far = sorted((x, x + side * length))
        pen.ellipse((near, y - length / 5, far, y + length / 5), fill=_colour(0.3, 0.7, 0.7 * value))


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
