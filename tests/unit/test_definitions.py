"""Definitions: every fault at once, canonical records, and the arrays that the kernel runs."""

import msgspec
import numpy as np
import pytest

from models.definitions import (
    Program,
    compile_definitions,
    decode_definitions,
    encode_definitions,
    parse_definitions,
)
from models.definitions.selectors import MICRO
from models.definitions.variables import INDEX, VARIABLES
from models.errors import DefinitionsError
from models.kernel.rules import evaluate
from models.row import SEGMENTATIONS
from models.snapshot import content_hash

SMALL = """
version = 3
name = "small"

[lifecycle]
confirmations = 2
[[lifecycle.segments]]
key = "visitor"
name = "Visitor"
description = "No order yet."
when = "orders == 0"
[[lifecycle.segments]]
key = "at_risk"
name = "At risk"
description = "Late."
when = "churn >= churn_threshold or overdue > 2"
hold = "overdue > 1.5"
confirmations = 4

[[value.segments]]
key = "all"
name = "All"
description = "Everyone."
when = "always"

[behaviour]
confirmations = 3

[affinity]
min_share = 0.5
min_weight = 3
name = "Is fond of {category}"

[[micro.segments]]
id = 9
key = "regulars"
name = "Regulars"
description = "Come often."
when = "orders > 5 and gap_cv < 0.5"
approved_by = "Ada"
[[micro.segments]]
id = 2
key = "night_owls"
name = "Night owls"
description = "Come at night."
when = "night_share > 0.5"
hold = "night_share > 0.4"
approved_by = "Ada"

[primary]
priority = ["micro:night_owls", "lifecycle:at_risk", "affinity:*", "lifecycle:*"]

[[recommend.offers]]
segment = "lifecycle:at_risk"
offer = "voucher"
"""


def program(text: str = SMALL) -> Program:
    return compile_definitions(parse_definitions(text, "small.toml"))


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(DefinitionsError) as caught:
        parse_definitions(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    return caught.value.faults


def lines(p: Program, segmentation: str) -> list[list[int]]:
    s = MICRO if segmentation == "micro" else SEGMENTATIONS.index(segmentation)
    found: list[list[int]] = p.rules[p.ranges[s] : p.ranges[s + 1]].tolist()
    return found


def truth(p: Program, start: int, stop: int, **known: float) -> bool:
    x = np.zeros(len(VARIABLES))
    for name, value in known.items():
        x[INDEX[name]] = value
    return evaluate(p.code, p.consts, start, stop, x, np.zeros(32)) == 1.0


def test_rules_lie_by_segmentation_in_the_order_of_the_file() -> None:
    p = program()
    assert p.ranges.tolist() == [0, 2, 2, 3, 3, 3, 3, 3, 5]
    assert [line[:2] for line in lines(p, "lifecycle")] == [[0, 1], [0, 2]]
    assert [line[:2] for line in lines(p, "value")] == [[2, 1]]
    assert [line[:2] for line in lines(p, "micro")] == [[7, 9], [7, 2]]
    assert lines(p, "intent") == lines(p, "offer") == []


def test_a_line_finds_its_rules_and_confirmations() -> None:
    p = program()
    visitor, at_risk = lines(p, "lifecycle")
    assert visitor[4:] == [-1, -1, 2]
    assert at_risk[6] == 4
    assert truth(p, *visitor[2:4], orders=0)
    assert not truth(p, *visitor[2:4], orders=1)
    assert truth(p, *at_risk[2:4], overdue=2.5, churn=np.nan)
    assert not truth(p, *at_risk[2:4], overdue=1.7, churn=np.nan)
    assert truth(p, *at_risk[4:6], overdue=1.7)
    assert [VARIABLES[i] for i in p.rule_features[1] if i >= 0] == ["churn", "churn_threshold", "overdue"]
    assert truth(p, *lines(p, "micro")[1][4:6], night_share=0.45)


def test_the_rest_of_the_arrays() -> None:
    p = program()
    assert p.confirmations.tolist() == [2, 3, 1, 1, 1, 1, 1]
    assert p.affinity.tolist() == [0.5, 3.0]
    assert p.affinity_name.format(category="toys") == "Is fond of toys"
    assert p.priority.tolist() == [[7, 2], [0, 2], [4, 0], [0, 0]]


def test_keys_and_names_are_found_by_id() -> None:
    p = program()
    assert p.keys[0] == ("", "visitor", "at_risk")
    assert p.names[0] == ("", "Visitor", "At risk")
    assert len(p.keys[MICRO]) == 10
    assert (p.keys[MICRO][9], p.names[MICRO][2], p.keys[MICRO][5]) == ("regulars", "Night owls", "")
    assert p.keys[6] == ("", "micro:night_owls", "lifecycle:at_risk", "affinity:*", "lifecycle:*")
    assert p.names[6] == ("", "Night owls", "At risk", "", "")
    assert [len(keys) for keys in p.keys] == [len(names) for names in p.names]


def test_all_programs_have_arrays_of_the_same_types_and_none_is_empty() -> None:
    small, nothing = program(), program('version = 1\nname = "nothing"')
    for name in ("code", "consts", "rules", "ranges", "rule_features", "confirmations", "affinity", "priority"):
        a, b = getattr(small, name), getattr(nothing, name)
        assert a.dtype == b.dtype
        assert (a.flags.c_contiguous, b.flags.c_contiguous) == (True, True)
        assert (a.flags.writeable, b.flags.writeable) == (True, True)
        assert a.shape[1:] == b.shape[1:]
        assert a.ndim == b.ndim
        assert len(b) > 0
    assert nothing.ranges.tolist() == [0] * 9
    assert nothing.priority.tolist() == [[-1, 0]]


def test_the_hash_is_of_the_content_not_of_its_layout() -> None:
    p = program()
    assert p.hash == content_hash(encode_definitions(p.definitions))
    spread = SMALL.replace('"orders == 0"', '"""\n  orders\n    == 0\n"""').replace("version = 3", "# a remark\nversion = 3")
    assert program(spread).hash == p.hash
    assert program(SMALL.replace("overdue > 2", "overdue > 3")).hash != p.hash


def test_a_record_reads_back_as_it_was() -> None:
    definitions = parse_definitions(SMALL, "small.toml")
    data = encode_definitions(definitions)
    assert decode_definitions(data) == definitions
    assert encode_definitions(decode_definitions(data)) == data


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{", b"{}", b'{"version":1,"name":"x","lifecycle":[]}', b"[" * 9999])
def test_a_record_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(DefinitionsError):
        decode_definitions(data)


def test_definitions_made_by_hand_are_checked_when_compiled() -> None:
    definitions = parse_definitions(SMALL, "small.toml")
    first = msgspec.structs.replace(definitions.lifecycle.segments[0], when="orders.real > 1", confirmations=999)
    broken = msgspec.structs.replace(definitions, lifecycle=msgspec.structs.replace(definitions.lifecycle, segments=(first,)))
    with pytest.raises(DefinitionsError) as caught:
        compile_definitions(broken)
    assert len(caught.value.faults) == 4  # confirmations, rule, and two selectors of a segment that is gone


def test_every_fault_is_told_at_once_each_with_its_place() -> None:
    told = faults(
        """
        version = 0
        nmae = "typo"
        [lifecycle]
        confirmations = 300
        [[lifecycle.segments]]
        key = "At Risk"
        name = ""
        when = "churn > treshold and days_since_ordr > 3"
        hold = "orders"
        [[lifecycle.segments]]
        key = "x"
        name = "X"
        description = 7
        when = "always"
        hld = "always"
        [[lifecycle.segments]]
        key = "x"
        name = "X again"
        description = "twice"
        when = true
        [value]
        segments = "none"
        [affinity]
        min_share = 1.5
        min_weight = "much"
        name = "Loves {categories}"
        [[micro.segments]]
        id = 65
        key = "m"
        name = "M"
        description = "m"
        when = "always"
        [primary]
        priority = ["lifecycle:at_risk", "lifecycel:x", "behaviour:night", "x", "micro:mm", "lifecycle:x",
            "lifecycle:x"]
        [recommend]
        categories = 99
        [[recommend.offers]]
        segment = "intent:hot"
        offer = "none"
        """
    )
    expected = [
        "version is 0",
        "name is missing",
        "lifecycle: confirmations is 300",
        "lifecycle.segments 'At Risk' (no. 1): key 'At Risk' must be",
        "'At Risk' (no. 1): name is empty",
        "'At Risk' (no. 1): description is missing",
        "when: unknown name 'treshold'; the nearest known: churn_threshold",
        "when: unknown name 'days_since_ordr'; the nearest known: days_since_order",
        "hold: 'orders' is a number where a condition is needed",
        "lifecycle.segments 'x' (no. 2): description must be a text in quotes, not the number 7",
        "unknown field 'hld'; the nearest known: hold",
        "lifecycle.segments 'x' (no. 3): when must be a text in quotes, not true or false",
        "lifecycle: 2 segments have the key 'x'",
        "value: segments must be written as [[value.segments]]",
        "affinity: min_share is 1.5",
        "affinity: min_weight must be a number, not a text",
        "affinity: name must hold {category}",
        "micro.segments 'm' (no. 1): id is 65",
        "micro.segments 'm' (no. 1): approved_by is missing",
        "primary: priority has 'lifecycle:x' twice",
        "recommend: categories is 99",
        "unknown field 'nmae'; the nearest known: name",
        "primary.priority: 'lifecycle:at_risk' names an unknown segment",
        "'lifecycel:x' names an unknown segmentation; the nearest known: lifecycle",
        "'behaviour:night': the segments of behaviour are not written down here; write behaviour:*",
        "'x' must be written as segmentation:segment",
        "'micro:mm' names an unknown segment; the nearest known: m",
        "recommend.offers: 'intent:hot' names an unknown segment; intent has none",
    ]
    for text in expected:
        assert sum(text in fault for fault in told) == 1, (text, told)
    assert len(told) == len(expected)


def test_a_broken_file_is_told_by_line() -> None:
    (fault,) = faults('version = 1\nname = "x\n')
    assert fault.startswith("not TOML: ")
    assert "line 2" in fault


@pytest.mark.parametrize("text", ["lifecycle = 3", "[[lifecycle]]\nkey = 'x'", "lifecycle.segments = [1, 'x']"])
def test_wrong_shapes_are_faults_not_crashes(text: str) -> None:
    assert any("must be a table" in fault for fault in faults(f'version = 1\nname = "x"\n{text}'))


def test_too_many_segments_are_refused() -> None:
    one = '[[intent.segments]]\nkey = "s{i}"\nname = "S"\ndescription = "d"\nwhen = "always"\n'
    head = 'version = 1\nname = "many"\n'
    many = head + "".join(one.replace("{i}", str(i)) for i in range(255))
    assert len(lines(program(many), "intent")) == 255
    assert faults(many + one.replace("{i}", "255")) == ("intent: 256 segments; at most 255",)


def test_micro_ids_are_their_own() -> None:
    assert faults(SMALL.replace("id = 9", "id = 2")) == ("micro: 2 segments have the id '2'; each needs its own",)


def test_a_huge_file_is_refused_unread() -> None:
    assert "at most" in faults("#" * 1_000_001)[0]
