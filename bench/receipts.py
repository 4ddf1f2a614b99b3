"""Receipts as a till prints and an office scans them, drawn from a seed, with the text that stands on them.

They carry what OCR takes for words and is none: dashed and dotted rules, boxes, bar codes, dithered logos, the edge
of a stamp; and what makes words hard to read: a dot matrix, faded heat, dead dots of the print head, creased paper.
Shared code of `bench/fidelity.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["Receipt", "receipts"]

WIDTH = 640
"""Dots of a print head for paper 80 mm wide, at 8 dots a millimetre (203 dpi)."""
CHARS = 38
SHOPS = (
    ("Hofladen Brennecke", "Dorfstrasse 14", "21385 Amelinghausen", "Tel. 04132 558 210"),
    ("Papierhaus Sandmann", "Am Markt 3", "99084 Erfurt", "Tel. 0361 77 41 90"),
    ("Harbour Street Bakery", "22 Harbour Street", "Falmouth TR11 3LX", "Phone 01326 554 180"),
    ("Werkzeug Ostermann", "Industrieweg 88", "44145 Dortmund", "Tel. 0231 900 4417"),
    ("Green Lane Hardware", "104 Green Lane", "Leeds LS12 1EX", "Phone 0113 496 2277"),
)
GERMAN_ITEMS = (
    ("Vollkornbrot 750g", 449), ("Apfelsaft naturtrueb", 279), ("Butter gesalzen", 319), ("Eier Freiland 10er", 389),
    ("Tomaten lose", 212), ("Kaffee gemahlen", 749), ("Schreibblock A4", 199), ("Kugelschreiber blau", 349),
    ("Schrauben 4x40", 599), ("Duebel grau 100er", 429), ("Leim wasserfest", 799), ("Pfand Mehrweg", 150),
)  # fmt: skip
ENGLISH_ITEMS = (
    ("Sourdough loaf", 420), ("Cheese scone", 195), ("Flat white", 310), ("Orange juice", 285), ("Oat biscuits", 260),
    ("Paint brush 50mm", 649), ("Masking tape", 325), ("Wood screws 4x40", 499), ("Garden twine", 275),
    ("Hand saw", 1450),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Receipt:
    """A picture and what stands on it."""

    name: str
    image: Image.Image
    text: str


def receipts(seed: int = 7, rounds: int = 2) -> Iterator[Receipt]:
    """Yield `rounds` receipts for each way in which a receipt gets worse, always the same ones for a seed."""
    for number in range(rounds):
        for name, spoil in SPOILED.items():
            chance = random.Random(f"{seed} {name} {number}")
            lines = _lines(chance)
            image = spoil(_printed(lines, chance, dotted="matrix" in name), chance)
            if chance.random() < 0.5:
                image.info["dpi"] = (203, 203)
            yield Receipt(f"{name} {number + 1}", image, "\n".join(line for line in lines if not _is_rule(line)))


def _is_rule(line: str) -> bool:
    return line.startswith("\0")


def _lines(chance: random.Random) -> list[str]:
    """The receipt's lines; one that begins with NUL is drawn, not written: NUL and the kind of the rule."""
    shop = chance.choice(SHOPS)
    german = "Tel." in shop[3]
    items = chance.sample(GERMAN_ITEMS if german else ENGLISH_ITEMS, chance.randint(4, 8))
    rule = "\0" + chance.choice(["dashes", "dots", "stars", "double", "short"])
    total = sum(price for _, price in items)

    def money(cents: int) -> str:
        return f"{cents / 100:.2f}".replace(".", "," if german else ".")

    paid = (total // 1000 + 1) * 1000
    words = ("Summe EUR", "Bar", "Rueckgeld", "MwSt 7%") if german else ("Total GBP", "Cash", "Change", "VAT")
    rows = [(words[0], total), (words[1], paid), (words[2], paid - total), (words[3], round(total * 0.07))]
    date = f"{chance.randint(1, 28):02}.{chance.randint(1, 12):02}.2025"
    time = f"{chance.randint(8, 19):02}:{chance.randint(0, 59):02}"
    return [
        "\0logo", *(line.center(CHARS).rstrip() for line in shop), rule,
        *(_row(name, money(price) + (" A" if german else "")) for name, price in items), rule,
        *(_row(name, money(value)) for name, value in rows), "\0box",
        _row(f"{date} {time}", f"No {chance.randint(1000, 99999)}"),
        rule,
        ("Vielen Dank fuer Ihren Einkauf" if german else "Thank you for your visit").center(CHARS).rstrip(),
        "\0code",
    ]  # fmt: skip


def _row(left: str, right: str) -> str:
    return left + right.rjust(CHARS - len(left))


def _printed(lines: list[str], chance: random.Random, *, dotted: bool) -> Image.Image:
    """The receipt as the print head sets its dots: 0 and 255 only."""
    step = 36
    image = Image.new("L", (WIDTH, 60 + sum(_height(line, step) for line in lines)), 255)
    draw = ImageDraw.Draw(image)
    write = _dot_writer(image) if dotted else _font_writer(draw)
    top = 30
    for line in lines:
        if _is_rule(line):
            _DRAWN[line[1:]](image, top, chance)
        else:
            write(line, top)
        top += _height(line, step)
    return image.point(lambda value: 255 if value > 140 else 0)


def _height(line: str, step: int) -> int:
    return {"\0logo": 150, "\0code": 110, "\0box": 70}.get(line, step)


def _font_writer(draw: ImageDraw.ImageDraw) -> Callable[[str, int], None]:
    font = ImageFont.load_default(size=25)
    pitch = (WIDTH - 60) / CHARS

    def write(line: str, top: int) -> None:
        for column, letter in enumerate(line):
            draw.text((30 + (column + 0.5) * pitch, top), letter, fill=0, font=font, anchor="ma")

    return write


def _dot_writer(image: Image.Image) -> Callable[[str, int], None]:
    """Letters of 6 x 11 dots, each of them a spot on the paper."""
    font, pitch = ImageFont.load_default_imagefont(), (WIDTH - 60) // CHARS

    def write(line: str, top: int) -> None:
        for column, letter in enumerate(line[:CHARS]):
            small = Image.new("1", (6, 11), 0)
            ImageDraw.Draw(small).text((0, 0), letter, fill=1, font=font)
            spots = small.convert("L").resize((pitch - 1, 28), Image.Resampling.BICUBIC)
            image.paste(0, (30 + column * pitch, top), spots.point(lambda value: 255 if value > 110 else 0))

    return write


def _rule(length: int, gap: int, thick: int) -> Callable[[Image.Image, int, random.Random], None]:
    def rule(image: Image.Image, top: int, chance: random.Random) -> None:
        draw, middle = ImageDraw.Draw(image), top + 14
        for left in range(30, WIDTH - 30 - length, length + gap):
            draw.rectangle((left, middle, left + length - 1, middle + thick - 1), fill=0)

    return rule


def _stars(image: Image.Image, top: int, chance: random.Random) -> None:
    _font_writer(ImageDraw.Draw(image))("*" * CHARS, top)


def _double(image: Image.Image, top: int, chance: random.Random) -> None:
    _font_writer(ImageDraw.Draw(image))("=" * CHARS, top)


def _box(image: Image.Image, top: int, chance: random.Random) -> None:
    """A frame for a signature, with a scrawl in it."""
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, top + 4, WIDTH - 60, top + 60), outline=0, width=2)
    points = [(90 + 16 * step, top + 32 + chance.randint(-18, 18)) for step in range(chance.randint(8, 20))]
    draw.line(points, fill=0, width=3, joint="curve")


def _code(image: Image.Image, top: int, chance: random.Random) -> None:
    draw, left = ImageDraw.Draw(image), 140
    while left < WIDTH - 140:
        width = chance.choice([2, 2, 4, 6])
        draw.rectangle((left, top + 10, left + width - 1, top + 90), fill=0)
        left += width + chance.choice([2, 4, 6])


def _logo(image: Image.Image, top: int, chance: random.Random) -> None:
    """A dithered disc with a shaded ground, as a till prints a picture."""
    y, x = np.mgrid[0:130, 0:260]
    shade = 140 + 70 * np.sin(x / 40 + chance.random() * 6) + 40 * np.cos(y / 23)
    disc = ((x - 130) / 110) ** 2 + ((y - 65) / 55) ** 2
    grey = np.where(disc < 1, shade * disc, 215 + 20 * np.sin(x / 30)).clip(0, 255).astype(np.uint8)
    image.paste(Image.fromarray(grey).convert("1").convert("L"), ((WIDTH - 260) // 2, top))


_DRAWN: dict[str, Callable[[Image.Image, int, random.Random], None]] = {
    "dashes": _rule(14, 8, 3),
    "dots": _rule(4, 6, 4),
    "short": _rule(8, 8, 2),
    "stars": _stars,
    "double": _double,
    "box": _box,
    "code": _code,
    "logo": _logo,
}


def _clean(image: Image.Image, chance: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.6))


def _faded(image: Image.Image, chance: random.Random) -> Image.Image:
    """Little heat: pale ink, paler towards one side, and columns that dead dots leave white."""
    ink = 255 - np.asarray(image, dtype=np.float64)
    fade = np.linspace(chance.uniform(0.2, 0.3), chance.uniform(0.35, 0.5), image.width)
    for _ in range(4):
        fade[chance.randrange(image.width)] = 0
    return _noisy(Image.fromarray((245 - ink * fade).astype(np.uint8)), chance, 4)


def _creased(image: Image.Image, chance: random.Random) -> Image.Image:
    """Light that falls across folds, and a sensor's noise; photographed at 300 dpi."""
    large = image.resize((image.width * 3 // 2, image.height * 3 // 2), Image.Resampling.BICUBIC)
    y, x = np.mgrid[0 : large.height, 0 : large.width]
    light = 0.75 + 0.15 * np.sin(x / 170 + y / 260 + chance.random() * 6)
    for _ in range(5):
        angle, place = chance.uniform(0, 3.14), chance.uniform(0.2, 0.8)
        across = (x - large.width * place) * np.cos(angle) + (y - large.height * place) * np.sin(angle)
        light -= 0.28 * np.exp(-((across / 9) ** 2)) + 0.12 * (across > 0) * np.exp(-((across / 160) ** 2))
    shaded = np.asarray(large, dtype=np.float64) * 0.85 + 30
    return _noisy(Image.fromarray((shaded * light.clip(0.25, 1)).clip(0, 255).astype(np.uint8)), chance, 6)


def _dithered(image: Image.Image, chance: random.Random) -> Image.Image:
    """A grey copy on a black-and-white machine: the ground becomes a sprinkle of dots."""
    grey = np.asarray(image.filter(ImageFilter.GaussianBlur(1)), dtype=np.float64) * 0.72 + 55
    grey += 18 * np.sin(np.arange(image.height) / 140)[:, None]
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("1").convert("L")


def _stamped(image: Image.Image, chance: random.Random) -> Image.Image:
    """A round stamp over the receipt, worn at its edge, and the dark rim of a copier."""
    mark = Image.new("L", image.size, 0)
    draw, at = ImageDraw.Draw(mark), (chance.randint(330, 420), image.height - chance.randint(330, 420))
    for radius, width in ((120, 5), (100, 2)):
        box = (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)
        draw.ellipse(box, outline=110, width=width)
    worn = np.random.default_rng(chance.randrange(10**6)).random((image.height, image.width)) < 0.6
    grey = np.asarray(image, dtype=np.int16) - np.asarray(mark) * worn
    grey[:, :8] = 30
    return _noisy(Image.fromarray(grey.clip(0, 255).astype(np.uint8)), chance, 3)


def _low(image: Image.Image, chance: random.Random) -> Image.Image:
    """A small picture out of a chat: half the dots, saved as a poor JPEG."""
    from io import BytesIO

    small = image.resize((image.width * 2 // 3, image.height * 2 // 3), Image.Resampling.BILINEAR)
    file = BytesIO()
    _noisy(small, chance, 3).save(file, "JPEG", quality=35)
    return Image.open(file).convert("L")


def _noisy(image: Image.Image, chance: random.Random, level: float) -> Image.Image:
    noise = np.random.default_rng(chance.randrange(10**6)).normal(0, level, (image.height, image.width))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


SPOILED: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "clean": _clean,
    "dot matrix": _clean,
    "faded": _faded,
    "creased": _creased,
    "creased dot matrix": _creased,
    "dithered": _dithered,
    "stamped": _stamped,
    "low": _low,
}
