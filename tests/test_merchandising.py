"""The shop's rules in a world of three products, and every way a hand-written file can be wrong."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import AisleError, BadInput, NotFound
from aisle.merchandising import Rules

KNOWN = ["circle-1", "circle-2", "square-1"]
GOOD = """
[[synonyms]]
words = ["sneakers", "trainers", "运动鞋", "running shoes"]
[[synonyms]]
words = ["ball", "sphere"]
[[pin]]
query = "Red  Circle"
products = ["circle-2", "circle-1"]
[[bury]]
query = "red circle"
products = ["square-1"]
[[redirect]]
query = "退货"
url = "/returns"
[[redirect]]
query = "help"
url = "https://example.com/help"
"""


def read(folder: Path, text: str) -> Rules:
    path = folder / "merchandising.toml"
    path.write_text(text, encoding="utf-8")
    return Rules.read(path, KNOWN)


@pytest.fixture(params=["read", "loaded"])
def rules(request: pytest.FixtureRequest, tmp_path: Path) -> Rules:
    rules = read(tmp_path, GOOD)
    if request.param == "read":
        return rules
    rules.save(tmp_path / "rules.json")
    return Rules.load(tmp_path / "rules.json")


@pytest.mark.parametrize(
    ("query", "expanded"),
    [
        ("red trainers", "red trainers sneakers 运动鞋 running shoes"),
        ("Sneaker", "Sneaker trainers 运动鞋 running shoes"),
        ("白色运动鞋", "白色运动鞋 sneakers trainers running shoes"),
        ("running shoes and a ball", "running shoes and a ball sneakers trainers 运动鞋 sphere"),
        ("running trousers", "running trousers"),
        ("baseball", "baseball"),
        ("", ""),
    ],
)
def test_a_synonym_brings_the_other_words_of_its_group(rules: Rules, query: str, expanded: str) -> None:
    assert rules.expand(query) == expanded


def test_pins_buries_and_redirects_match_the_folded_query(rules: Rules) -> None:
    assert rules.pins("ＲＥＤ circle ") == ["circle-2", "circle-1"]
    assert rules.buries("red\tCIRCLE") == ["square-1"]
    assert rules.redirect(" 退货") == "/returns"
    assert (rules.pins("red"), rules.buries("red circles"), rules.redirect("helping")) == ([], [], None)


def test_a_file_without_rules_changes_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Rules()
    assert Rules().expand("red circle") == "red circle"


PIN = '[[pin]]\nquery = "x"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[pins]]\n", r"the file has 'pins', which is not a kind of rule \(did you mean 'pin'\?\)"),
        (
            '[[redirect]]\nquery = "x"\nurll = "/"',
            r"number 1 has 'urll', .*did you mean 'url'\?.*: use one of: query, url",
        ),
        ("[[pin]]\nproducts = []", r"\[\[pin\]\] number 1 has no 'query'"),
        ("pin = 3", "pin is not a list of tables"),
        (PIN + "products = []", r"has products = \[\], not a list with something in it"),
        (PIN + "products = [7]", "has 7 among its products, not a text: put it in quotes"),
        (PIN + 'products = ["circle-3"]', r"'circle-3', not in the catalogue \(did you mean 'circle-[12]'\?\)"),
        (PIN + 'products = ["circle-1", "circle-1"]', "names a product twice"),
        (
            PIN + 'products = ["circle-1"]\n[[pin]]\nquery = "Ｘ"\nproducts = ["circle-1"]',
            "number 2 repeats the query 'Ｘ'",
        ),
        (
            PIN + 'products = ["circle-1"]\n[[bury]]\nquery = "X"\nproducts = ["circle-1"]',
            "both name 'circle-1' for 'x'",
        ),
        ('[[bury]]\nquery = " "\nproducts = ["circle-1"]', "has the query ' ', not a text"),
        ('[[synonyms]]\nwords = ["ball", "BALL"]', "fewer than two different words"),
        ('[[synonyms]]\nwords = ["ball", "!!"]', "has a word of no letters"),
        ('[[redirect]]\nquery = "x"\nurl = "javascript:alert(1)"', "has the url 'javascript:alert.1.'"),
        ('[[redirect]]\nquery = "x"\nurl = "//evil.example"', "has the url '//evil.example'"),
        ('[[redirect]]\nquery = "x"\nurl = "https://[broken"', "has the url"),
        ('[[redirect]]\nquery = "x"\nurl = "/a\\nb"', "has the url"),
        ("[[pin", "is not TOML"),
    ],
)
def test_a_wrong_rule_is_named_with_its_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        read(tmp_path, text)
    assert caught.value.detail.startswith(str(tmp_path / "merchandising.toml"))
    assert caught.value.remedy


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        Rules.read(tmp_path / "none.toml", KNOWN)


VALUES = st.sampled_from(
    ['"x"', '"circle-1"', '["circle-1"]', '["a", "b"]', "[]", "3", "true", '"/x"', "{}", '"\u202e🙂"', "[1]"]
)
KEYS = st.sampled_from(["query", "products", "words", "url", "querry"])
TABLES = st.tuples(st.sampled_from(["pin", "bury", "synonyms", "redirect", "pim"]), st.dictionaries(KEYS, VALUES))
FILES = st.lists(TABLES, max_size=4).map(
    lambda tables: "\n".join(
        f"[[{name}]]\n" + "\n".join(f"{k} = {v}" for k, v in lines.items()) for name, lines in tables
    )
)


@settings(deadline=None)
@given(text=FILES | st.text(max_size=60).filter(lambda text: text.isascii()))
def test_a_file_is_either_read_or_complained_about(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    complaint: AisleError | None = None
    try:
        rules = read(folder, text)
    except AisleError as error:
        complaint = error
    if complaint is None:
        rules.save(folder / "rules.json")
        assert Rules.load(folder / "rules.json") == rules
    else:
        assert all((complaint.detail, complaint.remedy))


@pytest.mark.parametrize("query", ["a" * 10_000, "ball " * 2000, "球" * 10_000, "\u202ellab", "🙂", "\x00"])
def test_hostile_queries_match_by_the_same_rules(tmp_path: Path, query: str) -> None:
    rules = read(tmp_path, GOOD)
    assert rules.expand(query) == query + (" sphere" if "ball" in query else "")
    assert (rules.pins(query), rules.buries(query), rules.redirect(query)) == ([], [], None)
