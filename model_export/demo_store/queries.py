"""The shoppers' questions: eight kinds in two languages, each drawn around one product that answers it.

A query is an intent put into words. Splits are honest: no text and no combination of type and attributes is in two of
them, and at least HELD_OUT_SHARE of the dev and test queries of HELD_OUT_KINDS use a word that no training query and
no product text has.
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

from model_export.demo_store.catalogue import Dice, Made
from model_export.demo_store.labels import Intent
from model_export.demo_store.words import ARTICLES, COLORS, HYPERNYMS, MATERIALS, STYLES, Word

SHARES = {
    "plain": 0.20,
    "synonym": 0.22,
    "hypernym": 0.08,
    "cross": 0.15,
    "misspelt": 0.10,
    "zh": 0.08,
    "price": 0.07,
    "attribute": 0.10,
}  # of all queries
SPLITS = {"train": 0.7, "dev": 0.1, "test": 0.2}  # of each kind
HELD_OUT_KINDS = ("synonym", "hypernym", "cross")
HELD_OUT_SHARE = 0.25  # of these kinds' dev and test queries, at least
_TRIES = 300  # draws for one query, before a tiny store is thought to have no more
_LIMITS_USD = (10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800, 1000, 1500, 2000)
_UNDER = ("under {}", "under {}", "below {}", "under ${}", "less than {}")
_NEIGHBOURS = dict(zip("abcdefghijklmnopqrstuvwxyz", "snvfrdghokjknbpoqeaycybzxs", strict=True))  # on a keyboard

_WORDS = {"color": COLORS, "style": STYLES, "material": MATERIALS}


class Query(NamedTuple):
    """A query with its meaning; `held_out` is the word of it that training never shows, or empty."""

    query_id: str
    text: str
    lang: str
    kind: str
    split: str
    held_out: str
    intent: Intent


class _Draft(NamedTuple):
    text: str
    lang: str
    intent: Intent
    held_out: str = ""


def n_queries(n_products: int) -> int:
    """Two a product, at least 400 and at most 12,000."""
    return min(max(400, 2 * n_products), 12_000)


def _ask(dice: Dice, made: Made, slots: Sequence[str], most: int, least: int = 0) -> Intent:
    """An intent that `made` answers fully, with `least` to `most` of the attributes `slots` it has."""
    has = {**{name: str(made.row[name]) for name in ("color", "material", "brand")}, "style": dice.any(made.styles)}
    open_slots = [name for name in slots if has[name]]
    asked: dict[str, str] = {}
    for _ in range(min(least + int(dice.roll() * (most - least + 1)), len(open_slots))):
        name = open_slots.pop(int(dice.roll() * len(open_slots)))
        asked[name] = has[name]
    color, style, material, brand = (asked.get(name, "") for name in ("color", "style", "material", "brand"))
    return Intent((made.article,), color, style, material, brand)


def _word(intent: Intent, slot: str) -> Word:
    """The word of a slot; a brand is written alike in both languages."""
    if slot == "article":
        return ARTICLES[intent.articles[0]].word
    value = getattr(intent, slot)
    return Word(value, value) if slot == "brand" else _WORDS[slot][value]


def _asked(intent: Intent) -> list[str]:
    return [slot for slot in ("brand", "color", "style", "material") if getattr(intent, slot)]


def _say(dice: Dice, lang: str, intent: Intent, instead: dict[str, str]) -> str:
    """The intent in words; `instead` replaces the shop's word of a slot."""
    said = {slot: instead.get(slot) or _word(intent, slot).said(lang) for slot in _asked(intent)}
    noun = instead.get("article") or _word(intent, "article").said(lang)
    order = list(said)
    if dice.roll() < 0.3 and "color" in order and "style" in order:
        order.remove("style")
        order.insert(order.index("color"), "style")
    if lang == "en":
        attributes = [said[slot] for slot in order]
        words = [noun, *attributes] if dice.roll() < 0.15 else [*attributes, noun]
        return _priced(dice, lang, intent, " ".join(words))
    brand = said.pop("brand", "")
    of = "的" if said and dice.roll() < 0.25 else ""
    chinese = "".join(said[s] for s in order if s != "brand") + of + noun
    return _priced(dice, lang, intent, f"{brand} {chinese}".strip())


def _priced(dice: Dice, lang: str, intent: Intent, text: str) -> str:
    if intent.under is None:
        return text
    return (
        f"{text} {dice.any(_UNDER).format(int(intent.under))}" if lang == "en" else f"{int(intent.under)}以下的{text}"
    )


def _with_limit(dice: Dice, made: Made, intent: Intent) -> Intent:
    """The same intent below a round price that `made` keeps."""
    price_usd = float(str(made.row["price"]))
    fitting = [limit for limit in _LIMITS_USD if limit >= price_usd]
    return intent._replace(under=float(dice.any(fitting[:3])))


def _replaced(dice: Dice, lang: str, intent: Intent, held: bool) -> dict[str, str] | None:
    """One slot's synonym, the type's for preference, held out or not; None where no slot has one."""
    slots = [s for s in ("article", *_asked(intent)) if _word(intent, s).synonyms(lang, held)]
    if not slots:
        return None
    first = slots[0] if dice.roll() < 0.5 else dice.any(slots)
    instead = {first: dice.any(_word(intent, first).synonyms(lang, held))}
    for slot in ("article", *_asked(intent)):
        more = _word(intent, slot).synonyms(lang, held_out=False)
        if slot != first and more and dice.roll() < 0.25:
            instead[slot] = dice.any(more)
    return instead


def _plain(dice: Dice, made: Made, held: bool) -> _Draft:
    intent = _ask(dice, made, ("color", "style", "brand"), most=3)
    return _Draft(_say(dice, "en", intent, {}), "en", intent)


def _renamed(dice: Dice, lang: str, intent: Intent, held: bool) -> _Draft | None:
    instead = _replaced(dice, lang, intent, held)
    if instead is None:
        return None
    return _Draft(_say(dice, lang, intent, instead), lang, intent, next(iter(instead.values())) if held else "")


def _synonym(dice: Dice, made: Made, held: bool) -> _Draft | None:
    return _renamed(dice, "en", _ask(dice, made, ("color", "style", "material"), most=3), held)


def _hypernym(dice: Dice, made: Made, held: bool, lang: str = "en") -> _Draft | None:
    article = ARTICLES[made.article]
    names = [n for n in (article.family, article.category) if n in HYPERNYMS and HYPERNYMS[n].synonyms(lang, held)]
    if not names:
        return None
    name = dice.any(names)
    said = dice.any(HYPERNYMS[name].synonyms(lang, held))
    meant = tuple(i for i, a in enumerate(ARTICLES) if name in (a.family, a.category))
    intent = _ask(dice, made, ("color", "style", "material", "brand"), most=3)._replace(articles=meant)
    if dice.roll() < 0.2:
        intent = _with_limit(dice, made, intent)
    return _Draft(_say(dice, lang, intent, {"article": said}), lang, intent, said if held else "")


def _cross(dice: Dice, made: Made, held: bool) -> _Draft | None:
    if made.row["title_zh"]:
        return None
    way = dice.roll()
    if way < 0.12:
        return _hypernym(dice, made, held, "zh")
    intent = _ask(dice, made, ("color", "style", "material", "brand"), most=3)
    return (
        _renamed(dice, "zh", intent, held) if held or way < 0.6 else _Draft(_say(dice, "zh", intent, {}), "zh", intent)
    )


def _misspelt(dice: Dice, made: Made, held: bool) -> _Draft | None:
    plain = _plain(dice, made, held)
    words = plain.text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return None
    i = dice.any(long)
    wrong = _misspell(dice, words[i])
    return None if wrong == words[i] else plain._replace(text=" ".join([*words[:i], wrong, *words[i + 1 :]]))


def _misspell(dice: Dice, word: str) -> str:
    """`word` with two letters transposed, or one dropped, doubled or hit beside; the first letter stays."""
    at = 1 + int(dice.roll() * (len(word) - 2))
    before, letter, after = word[:at], word[at], word[at + 1 :]
    edits = (after[0] + letter + after[1:], after, letter + letter + after, _NEIGHBOURS.get(letter, letter) + after)
    return before + dice.any(edits)


def _zh(dice: Dice, made: Made, held: bool) -> _Draft | None:
    intent = _ask(dice, made, ("color", "style", "material", "brand"), most=3)
    return _Draft(_say(dice, "zh", intent, {}), "zh", intent) if made.row["title_zh"] else None


def _price(dice: Dice, made: Made, held: bool) -> _Draft:
    intent = _with_limit(dice, made, _ask(dice, made, ("color", "style", "brand"), most=2))
    lang = "zh" if dice.roll() < 0.3 else "en"
    return _Draft(_say(dice, lang, intent, {}), lang, intent)


def _attribute(dice: Dice, made: Made, held: bool) -> _Draft:
    intent = _ask(dice, made, ("style", "material", "brand", "color"), most=4, least=2)
    lang = "zh" if dice.roll() < 0.25 else "en"
    return _Draft(_say(dice, lang, intent, {}), lang, intent)


_DRAFTS: dict[str, Callable[[Dice, Made, bool], _Draft | None]] = {
    "plain": _plain,
    "synonym": _synonym,
    "hypernym": _hypernym,
    "cross": _cross,
    "misspelt": _misspelt,
    "zh": _zh,
    "price": _price,
    "attribute": _attribute,
}


def _wanted(dice: Dice, count: int) -> list[tuple[str, str, bool]]:
    """(kind, split, held out) of each query to write, shuffled."""
    wanted = []
    for kind, share in SHARES.items():
        for split, part in SPLITS.items():
            n = round(count * share * part)
            held = ceil(n * HELD_OUT_SHARE) if kind in HELD_OUT_KINDS and split != "train" else 0
            wanted += [(kind, split, i < held) for i in range(n)]
    return [wanted[i] for i in sorted(range(len(wanted)), key=[dice.roll() for _ in wanted].__getitem__)]


def write_queries(made: Sequence[Made], dice: Dice) -> list[Query]:
    """About n_queries(len(made)) queries over `made`; fewer where a tiny store has no more to ask."""
    split_of: dict[Intent, str] = {}
    texts: set[str] = set()
    queries: list[Query] = []
    for kind, split, held in _wanted(dice, n_queries(len(made))):
        for _ in range(_TRIES):
            draft = _DRAFTS[kind](dice, dice.any(made), held)
            if draft is None or draft.text in texts or split_of.get(draft.intent.combination(), split) != split:
                continue
            split_of[draft.intent.combination()] = split
            texts.add(draft.text)
            query_id = f"Q{len(queries) + 1:05d}"
            queries.append(Query(query_id, draft.text, draft.lang, kind, split, draft.held_out, draft.intent))
            break
    return queries
