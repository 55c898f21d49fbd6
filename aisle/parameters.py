"""The GET form of each request: query and path parameters as structs, and `filter=price:..50` as filters.

A parameter's description is shown by the OpenAPI document and by /docs. What the parameters mean is the business of the
request types; this module only spells them.
"""

import re
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from aisle.decoding import nearest, read_values, shown
from aisle.errors import BadInput
from aisle.shopping import MAX_EXCLUDED, NeighbourRequest, RecommendationRequest
from aisle.types import FACETS, MAX_DEPTH, MAX_K, MAX_QUERY_CHARS, Facet, Filters, Rerank, SearchRequest, Sort

_NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"
_RANGE = re.compile(rf"(?:({_NUMBER})\.\.({_NUMBER})?|\.\.({_NUMBER}))")
_FILTER_PATTERN = (
    rf"^(?:(?:{'|'.join(FACETS)}):[^|]+(?:\|[^|]+)*"
    rf"|(?:price|rating):(?:{_NUMBER}\.\.(?:{_NUMBER})?|\.\.{_NUMBER})"
    r"|in_stock:(?:true|false))$"
)
# The pattern is for the OpenAPI document alone: the parser below tells a caller more than a regular expression can.
FilterText = Annotated[str, Meta(extra_json_schema={"pattern": _FILTER_PATTERN})]
Lang = Annotated[str, Meta(pattern="^[a-z]{2,3}$", description="language of the texts shown: en, zh")]


class NoParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """An operation that takes no parameters."""


class SuggestParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """What has been typed so far."""

    q: Annotated[str, Meta(max_length=MAX_QUERY_CHARS, description="what has been typed so far")]
    k: Annotated[int, Meta(ge=1, le=MAX_K, description="suggestions at most")] = 8
    lang: Lang | UnsetType = UNSET


class ProductParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """One product, in one language."""

    id: Annotated[str, Meta(min_length=1, description="the catalogue's product_id")]
    lang: Lang | UnsetType = UNSET


Filter = Annotated[
    list[FilterText],
    Meta(description="repeatable: price:..50, rating:4.., brand:Acme|Zenith, category:shoes, in_stock:true"),
]
Exclude = Annotated[
    list[str], Meta(max_length=MAX_EXCLUDED, description="comma-separated product ids that are not to be shown")
]
Why = Annotated[bool, Meta(description="says of each product why it is shown")]


class RecommendationParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of RecommendationRequest, as a link can carry them."""

    k: Annotated[int, Meta(ge=1, le=MAX_K, description="products at most")] = 10
    lang: Lang | UnsetType = UNSET
    filter: Filter = []
    exclude: Exclude = []
    new: Annotated[bool, Meta(description="only what the shopper has not bought")] = False
    diversity: Annotated[float, Meta(ge=0, le=1, description="0: the best ones, 1: as different as may be")] = 0.3
    personal: Annotated[bool, Meta(description="false: as for a stranger")] = True
    explain: Why = False

    def to_request(self) -> RecommendationRequest:
        """Raises BadInput where a filter cannot be read."""
        return RecommendationRequest(
            k=self.k,
            lang=self.lang or None,
            filters=parse_filters(self.filter),
            exclude=self.exclude,
            new=self.new,
            diversity=self.diversity,
            personal=self.personal,
            explain=self.explain,
        )


class NeighbourParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of NeighbourRequest, as a link can carry them."""

    id: Annotated[str, Meta(min_length=1, description="the catalogue's product_id")]
    k: Annotated[int, Meta(ge=1, le=MAX_K, description="products at most")] = 10
    lang: Lang | UnsetType = UNSET
    filter: Filter = []
    exclude: Exclude = []
    explain: Why = False

    def to_request(self) -> NeighbourRequest:
        """Raises BadInput where a filter cannot be read."""
        return NeighbourRequest(
            product_id=self.id,
            k=self.k,
            lang=self.lang or None,
            filters=parse_filters(self.filter),
            exclude=self.exclude,
            explain=self.explain,
        )


class SearchParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of SearchRequest, as a link can carry them."""

    q: Annotated[str, Meta(max_length=MAX_QUERY_CHARS, description="the query; empty browses")] = ""
    k: Annotated[int, Meta(ge=1, le=MAX_K, description="hits a page")] = 10
    page: Annotated[int, Meta(ge=1, le=MAX_DEPTH, description=f"from 1; page * k is at most {MAX_DEPTH}")] = 1
    lang: Lang | UnsetType = UNSET
    filter: Filter = []
    sort: Annotated[Sort, Meta(description="order of the hits")] = "relevance"
    rerank: Annotated[
        Rerank, Meta(description="auto: as far as budget_ms allows, and by the heavy one where the order is open")
    ] = "auto"
    facets: Annotated[list[Facet], Meta(description="comma-separated fields to count values of")] = []
    explain: Annotated[bool, Meta(description="adds each stage's scores to each hit")] = False
    personal: Annotated[bool, Meta(description="false: the order that a stranger gets")] = True
    budget_ms: Annotated[float, Meta(ge=1, le=10_000, description="milliseconds to stay within")] = 300

    def to_request(self) -> SearchRequest:
        """Raises BadInput where a filter cannot be read."""
        return SearchRequest(
            query=self.q,
            k=self.k,
            page=self.page,
            lang=self.lang or None,
            filters=parse_filters(self.filter),
            sort=self.sort,
            rerank=self.rerank,
            facets=self.facets,
            explain=self.explain,
            personal=self.personal,
            budget_ms=self.budget_ms,
        )


def parse_filters(texts: list[str]) -> Filters:
    """The filters of the `filter` parameters, each `name:value`. Raises BadInput."""
    values: dict[str, Any] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or name not in Filters.__struct_fields__:
            raise BadInput(f"filter {shown(text)} names no filter", nearest(name, Filters.__struct_fields__))
        if name in values:
            raise BadInput(
                f"filter {name} is given more than once", f"join values with |, as in {name}:A|B, or send one"
            )
        values[name] = _filter_value(name, value, text)
    return read_values(values, Filters, "filter")


def _filter_value(name: str, value: str, text: str) -> object:
    if name in ("price", "rating"):
        return _range(name, value, text)
    if name == "in_stock":
        if value not in ("true", "false"):
            raise BadInput(f"filter {shown(text)} is neither true nor false", "send in_stock:true or in_stock:false")
        return value == "true"
    choices = value.split("|")
    if not all(choices):
        raise BadInput(f"filter {shown(text)} has an empty value", f"send {name}:A, or {name}:A|B for any of several")
    return choices


def _range(name: str, value: str, text: str) -> dict[str, float]:
    found = _RANGE.fullmatch(value)
    if not found:
        raise BadInput(f"filter {shown(text)} is no range", f"send {name}:10..50, {name}:..50 or {name}:10..")
    low, high = found.group(1), found.group(2) or found.group(3)
    return {end: float(number) for end, number in (("gte", low), ("lte", high)) if number is not None}
