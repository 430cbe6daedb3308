"""Which category a line of the Online Retail catalogue belongs to, by the words of its description.

The catalogue has no categories. This table gives each description the first line that has one of its words; a word
also matches its plural, and a phrase must stand as written. Specific lines come before general ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

CATEGORIES = {
    "kitchen": "kitchen & dining",
    "decor": "home decor",
    "lighting": "lighting & candles",
    "bags": "bags & purses",
    "stationery": "stationery & cards",
    "party": "party & celebrations",
    "christmas": "christmas",
    "garden": "garden",
    "toys": "toys & games",
    "jewellery": "jewellery & accessories",
    "storage": "storage & boxes",
    "crafts": "crafts & sewing",
    "travel": "travel & outdoor",
    "signs": "signs & clocks",
    "comfort": "bath & comfort",
}
"""Slug -> what a person reads. The simulator's shop sells the same ones."""

NOT_GOODS = frozenset({"POST", "DOT", "C2", "M", "D", "PADS", "CRUK", "BANK CHARGES"})
"""Stock codes of postage, fees, manual entries and discounts: they belong to no category."""

TABLE = """
christmas: christmas, santa, reindeer, advent, nativity, bauble, mistletoe, holly, snowflake, noel, sleigh
decor: doormat, knob, drawerknob, card holder, photo shelf
party: bunting, paper chain, balloon
signs: sign, clock, chalkboard, blackboard, black board, memo board, memoboard, wall art, block word, block letters
comfort: hot water bottle, hottie, hand warmer, plasters, soap, bath, bathroom, flannel, tissues, first aid, lip
    gloss, foot stool, slipper, incense, perfume, sponge, shower
bags: bag, shopper, purse, backpack, handbag, wallet
travel: picnic, parasol, umbrella, poncho, passport, luggage, travel, bicycle, hammock, torch, camping, beach, flask,
    lunch box, snack boxes
crafts: craft, feltcraft, sewing, knitting, ribbon, paint, modelling clay, stamp set, button, fabric, wool, canvas,
    lace, patch, patches, stickers, sticker, decoupage, drawing, mosaic
lighting: t-light, tea light, tealight, light, candle, candleholder, chocolatecandle, lantern, lamp, chandelier,
    candlestick, votive, matches, lampshade
kitchen: cake case, cake stand, cakestand, cake tin, baking, petit four, cookie, biscuit, bread, jam, jelly, teacup,
    teapot, tea set, tea plate, tea towel, mug, saucer, cutlery, apron, kitchen, recipe, coffee, sugar, spice, pantry,
    milk jug, jug, bowl, plate, breakfast, cup, beaker, egg holder, oven, tray, doily, doilies, cake, pan, wine,
    bottle opener, dish, spoon, tea, chopping board, tumbler, coaster, placemat, tablecloth, place setting, ladle,
    mould, measuring, ice cream, salt, popcorn, food, peg, washing, herb tins, napkin ring, chopsticks, toast
party: party, birthday, cracker, napkin, garland, confetti, wedding, easter, rosette, disco, leis, sombrero, fan,
    feather, tissue
toys: game, toy, doll, jigsaw, dominoes, skittles, ludo, bingo, playing cards, snap cards, teddy, harmonica, glider,
    skipping rope, playhouse, spinning tops, babushka, dinosaur, puppet, rocking horse, alphabet blocks, ball, baby,
    nursery, childrens, childs, kids, magic, snakes & ladders, naughts & crosses, rounders, croquet, windmill, pirate,
    farm, fairy, rattle, inflatable, cowboy, money bank, piggy, bank, carousel, circus, frog, snake, spaceboy
stationery: pen, pencil, crayons, card, wrap, notebook, note book, exercise book, journal, calendar, ruler, gift tag,
    magnet, tape, envelope, postcard, writing, letter, scissor, eraser, rubber, paper, notepad, memo, book,
    sketchbook, clips, gift, stationery, organiser, desk, sticky
garden: garden, gardeners, plant, planter, watering can, grow, herb, seed, bird table, bird feeder, bird house,
    birdhouse, trellis, thermometer, wheelbarrow, windchime, potting, bucket, nesting, shed
storage: box, boxes, storage, basket, tin, drawer, chest, cabinet, crate, jar, hook, rack, hanger, shelf, container,
    cases, tidy, bin, bottle, stand, pot, unit
jewellery: necklace, bracelet, earring, ring, brooch, bangle, jewellery, hair, hairclip, charm, keyring, pendant,
    scarf, hat, bead, beaded, choker, lariat, diamante, sunglasses, tiara, key-chain, pearl, crystal
decor: frame, mirror, cushion, ornament, heart, wreath, doorstop, photo, decoration, wicker, door, vase, throw, mat,
    curtain, ceramic, flower, bird, butterfly, star, hanging, wooden, glass, metal, angel, chair, stool, table, cover,
    quilt, print, owl, dog, rabbit, duck, elephant, hen, rose, carriage, wood, vintage, home, white, cream, buddha,
    daisy
"""


class Categoriser:
    """Finds the category of a description; None where no rule knows one of its words."""

    def __init__(self) -> None:
        self._rules = [(category, _pattern(words)) for category, words in _rules(TABLE)]

    def category(self, stock_code: str, description: str) -> str | None:
        """The slug of a catalogue line."""
        if stock_code in NOT_GOODS:
            return None
        text = description.lower()
        for category, pattern in self._rules:
            if pattern.search(text):
                return category
        return None


def _rules(table: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of the table; an indented line goes on with the one above it."""
    for line in table.strip().replace("\n    ", " ").splitlines():
        category, words = line.split(": ")
        yield category, words.split(", ")


def _pattern(words: list[str]) -> re.Pattern[str]:
    """Any of the words or phrases, whole, singular or plural."""
    each = "|".join(re.escape(word) for word in words)
    return re.compile(rf"(?<![\w'-])(?:{each})s?(?![\w'-])")
