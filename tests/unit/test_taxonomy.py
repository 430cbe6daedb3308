"""The taxonomy: lookups under the usual spellings, and every fault at once."""

import pytest

from models.errors import DefinitionsError
from models.row import BEHAVIOURS, CATEGORY_SLOTS, CHANNELS
from models.taxonomy import OTHER_CATEGORY, Taxonomy, decode_taxonomy, encode_taxonomy, parse_taxonomy
from streams.presets import load_taxonomy
from streams.replay.categories import CATEGORIES

SMALL = """
version = 1
name = "small"
money = ["revenue"]
category = ["category"]
categories = ["shoes", "rain_wear"]
category_labels = {shoes = "shoes & boots"}
category_aliases = {boots = "shoes", "misc" = "other"}
behaviours = {"Order Completed" = "order", "Product Viewed" = "view", "viewed-it" = "view"}
channels = {"paid search" = "ads", ios = "app"}
"""


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(DefinitionsError) as caught:
        parse_taxonomy(text, "mine.toml")
    return caught.value.faults


@pytest.fixture(scope="module")
def retail() -> Taxonomy:
    return load_taxonomy("retail")


@pytest.mark.parametrize(
    "name",
    ["Product Viewed", "product viewed", "product_viewed", "product-viewed", "productViewed", "ProductViewed",
     "PRODUCT_VIEWED", "Product viewed"],
)  # fmt: skip
def test_an_event_is_known_in_every_usual_spelling(name: str) -> None:
    assert parse_taxonomy(SMALL, "small").behaviour_codes[name] == BEHAVIOURS.index("view")


def test_what_is_not_named_is_not_known() -> None:
    codes = parse_taxonomy(SMALL, "small").behaviour_codes
    assert "Product" not in codes
    assert "" not in codes
    assert "viewed" not in codes


def test_calls_without_a_name_have_a_meaning_even_if_the_file_gives_none() -> None:
    codes = parse_taxonomy(SMALL, "small").behaviour_codes
    expected = {"page": "page", "screen": "page", "identify": "account", "group": "account", "alias": "account"}
    assert {call: BEHAVIOURS[codes[call]] for call in expected} == expected
    other = parse_taxonomy(SMALL.replace('"Order Completed"', 'screen = "view", "Order Completed"'), "small")
    assert BEHAVIOURS[other.behaviour_codes["screen"]] == "view"


def test_a_spelling_that_is_written_down_wins_over_one_that_is_made() -> None:
    both = SMALL.replace('"viewed-it" = "view"', '"viewed it" = "view", "viewed_it" = "wish"')
    codes = parse_taxonomy(both, "small").behaviour_codes
    assert BEHAVIOURS[codes["viewed_it"]] == "wish"
    assert BEHAVIOURS[codes["viewed it"]] == "view"


def test_categories_have_the_slot_of_their_place() -> None:
    taxonomy = parse_taxonomy(SMALL, "small")
    codes = taxonomy.category_codes
    assert [codes[text] for text in ("shoes", "Shoes", "boots", "Boots", "Shoes & Boots")] == [0] * 5
    assert [codes[text] for text in ("rain_wear", "rain wear", "Rain Wear")] == [1] * 3
    assert [codes[text] for text in ("other", "misc")] == [OTHER_CATEGORY] * 2
    assert "hats" not in codes
    assert taxonomy.category_names[:3] == ("shoes & boots", "rain wear", "")
    assert (len(taxonomy.category_names), taxonomy.category_names[OTHER_CATEGORY]) == (CATEGORY_SLOTS, "other")


def test_channels_are_codes_of_the_row() -> None:
    codes = parse_taxonomy(SMALL, "small").channel_codes
    assert CHANNELS[codes["Paid_Search"]] == "ads"
    assert CHANNELS[codes["iOS".lower()]] == "app"


def test_a_record_reads_back_and_its_hash_is_of_the_content() -> None:
    taxonomy = parse_taxonomy(SMALL, "small")
    again = decode_taxonomy(encode_taxonomy(taxonomy))
    assert again == taxonomy
    assert again.hash == taxonomy.hash
    swapped = SMALL.replace(
        '"Order Completed" = "order", "Product Viewed" = "view"',
        '"Product Viewed" = "view", "Order Completed" = "order"',
    )
    assert swapped != SMALL
    assert parse_taxonomy(swapped, "small").hash == taxonomy.hash
    assert parse_taxonomy(SMALL.replace('"shoes", "rain_wear"', '"rain_wear", "shoes"'), "small").hash != taxonomy.hash


def test_lookups_do_not_depend_on_the_order_of_the_file() -> None:
    clash = SMALL.replace('"viewed-it" = "view"', '"a b" = "view", "a-b" = "wish"')
    swapped = SMALL.replace('"viewed-it" = "view"', '"a-b" = "wish", "a b" = "view"')
    assert parse_taxonomy(clash, "x").behaviour_codes == parse_taxonomy(swapped, "x").behaviour_codes


def test_every_fault_is_told_at_once() -> None:
    many = ", ".join(f'"c{i}"' for i in range(16))
    told = faults(
        f"""
        version = "1"
        nam = "typo"
        money = "revenue"
        discount = ["off", "off"]
        coupon = ["off", 3]
        category = ["off"]
        categories = [{many}, "Shoes", "other"]
        category_labels = {{c1x = "hats"}}
        category_aliases = {{hats = "c77", c2 = "c3", boots = 3}}
        behaviours = {{"Product Viewed" = "views"}}
        channels = {{ios = "phone", tv = 3}}
        """
    )
    expected = [
        "version must be a whole number, not a text",
        "name is missing",
        "behaviours: 'Product Viewed' is an unknown behaviour 'views'; the nearest known: view",
        "category_aliases: 'boots' must have a text in quotes, not the number 3",
        "channels: 'tv' must have a text in quotes, not the number 3",
        "channels: 'ios' is an unknown channel 'phone'",
        "money must be a list of texts in quotes",
        "discount has 'off' twice",
        "coupon must be a list of texts in quotes",
        "unknown field 'nam'; the nearest known: name",
        "categories has 18 slugs; at most 15",
        "categories: 'Shoes' must be of a-z",
        "categories: 'other' must be of a-z",
        "category_labels: unknown category 'c1x'",
        "category_aliases: 'hats' stands for an unknown category 'c77'",
        "category_aliases: 'c2' is a category itself",
        'no event means "order"',
        "property 'off' is an amount",
    ]
    for text in expected:
        assert sum(text in fault for fault in told) == 1, (text, told)
    assert len(told) == len(expected)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b"3"])
def test_a_record_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(DefinitionsError):
        decode_taxonomy(data)


def test_retail_knows_the_events_of_segments_commerce_spec(retail: Taxonomy) -> None:
    meant = {
        "Products Searched": "search", "Product List Viewed": "view", "Product Clicked": "view", "Product Added": "add",
        "Product Removed": "remove", "Cart Viewed": "page", "Checkout Started": "checkout", "Order Completed": "order",
        "Order Refunded": "refund", "Coupon Applied": "coupon", "Product Added to Wishlist": "wish",
        "Product Reviewed": "feedback", "Email Opened": "email_open", "Email Link Clicked": "email_click",
        "Promotion Viewed": "promotion", "Page Viewed": "page", "purchase": "order", "add_to_cart": "add",
    }  # fmt: skip
    assert {name: BEHAVIOURS[retail.behaviour_codes[name]] for name in meant} == meant
    assert set(BEHAVIOURS) == set(retail.behaviours.values())


def test_retail_knows_where_a_customer_comes_from(retail: Taxonomy) -> None:
    meant = {
        "mobile": "mobile",
        "iOS": "app",
        "android": "app",
        "email": "email",
        "cpc": "ads",
        "paid_social": "social",
    }
    codes = {text: retail.channel_codes.get(text, retail.channel_codes.get(text.lower(), -1)) for text in meant}
    assert {text: CHANNELS[code] for text, code in codes.items()} == meant
    assert set(CHANNELS) == set(retail.channels.values())


def test_retail_labels_all_of_its_categories(retail: Taxonomy) -> None:
    assert len(retail.categories) == OTHER_CATEGORY
    assert set(retail.category_labels) == set(retail.categories)
    assert retail.category_codes["Kitchen & Dining"] == 0
    assert set(retail.category_aliases.values()) <= set(retail.categories)


def test_what_is_replayed_has_a_category_of_the_preset(retail: Taxonomy) -> None:
    assert dict(retail.category_labels) == CATEGORIES
