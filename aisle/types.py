"""The nouns that travel between modules: what a shop sells, what a shopper asks, what aisle answers.

They are msgspec structs, so that one definition validates a request, encodes a response and yields the OpenAPI schema.
This module knows no index, no model and no HTTP.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

MAX_K = 200  # hits a page
MAX_DEPTH = 1000  # hits that paging can reach: page * k
MAX_QUERY_CHARS = 1000
MAX_DOCUMENTS = 1000  # of one rerank call


class Product(Struct, frozen=True, omit_defaults=True):
    """One sellable thing, as the catalogue has it. `group_id` joins the variants of one article."""

    product_id: str
    title: str
    description: str = ""
    category: str = ""
    brand: str = ""
    color: str = ""
    size: str = ""
    material: str = ""
    price: float | None = None  # in `currency`
    currency: str = ""
    rating: float | None = None  # 0 to 5
    stock: int | None = None  # pieces; None: unknown, counted as in stock
    created_at: str = ""  # ISO 8601
    group_id: str = ""  # empty: the product stands alone
    image_url: str = ""
    attributes: dict[str, str | float | bool] = {}
    titles: dict[str, str] = {}  # language -> text, from the columns title_<lang>
    descriptions: dict[str, str] = {}

    @property
    def in_stock(self) -> bool:
        return self.stock is None or self.stock > 0


Sort = Literal["relevance", "price_asc", "price_desc", "newest", "rating"]
Rerank = Literal["auto", "student", "heavy", "none"]
FACETS = ("category", "brand", "color", "size", "material")
Facet = Literal["category", "brand", "color", "size", "material"]


class Range(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A closed interval; an absent end is open."""

    gte: float | None = None
    lte: float | None = None


Values = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1, max_length=100)]


class Filters(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every hit must satisfy: any of the listed values (case is folded), inside the range, in stock."""

    category: Values | UnsetType = UNSET
    brand: Values | UnsetType = UNSET
    color: Values | UnsetType = UNSET
    size: Values | UnsetType = UNSET
    material: Values | UnsetType = UNSET
    price: Range | UnsetType = UNSET
    rating: Range | UnsetType = UNSET
    in_stock: bool | UnsetType = UNSET


class SearchRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A shopper's question. An empty query browses: filters and sort alone decide."""

    query: Annotated[str, Meta(max_length=MAX_QUERY_CHARS)] = ""
    k: Annotated[int, Meta(ge=1, le=MAX_K)] = 10
    page: Annotated[int, Meta(ge=1, le=MAX_DEPTH)] = 1
    lang: Annotated[str, Meta(pattern="^[a-z]{2,3}$")] | None = None
    filters: Filters = Filters()
    sort: Sort = "relevance"
    rerank: Rerank = "auto"
    facets: list[Facet] = []
    explain: bool = False
    personal: bool = True  # false: as for a stranger
    budget_ms: Annotated[float, Meta(ge=1, le=10_000)] = 300


class Understood(Struct, frozen=True, omit_defaults=True):
    """What was read out of the query. Only `price` filters; the rest is evidence for the ranker."""

    query: str | None = None  # the corrected query, where it differs from what was typed
    category: str | None = None
    brand: str | None = None
    color: str | None = None
    price: Range | None = None
    ignored: list[str] = []  # phrases read but not used, such as an amount in another currency


class Hit(Struct, frozen=True, omit_defaults=True):
    """One product of the answer. `score` is in 0..1 and comparable within one answer."""

    product_id: str
    score: float
    title: str
    in_stock: bool
    price: float | None = None
    currency: str = ""
    brand: str = ""
    category: str = ""
    color: str = ""
    rating: float | None = None
    image_url: str = ""
    group_id: str = ""
    variants: int = 1  # products of the same group among the matches, this one included
    explain: dict[str, float] | None = None


class FacetCount(Struct, frozen=True):
    value: str
    count: int


class SearchResponse(Struct, frozen=True):
    """`total` counts matching articles (variants of one group count once); of a catalogue of more than 60,000 products
    those that words found, and the nearest."""

    query_id: str
    bundle_id: str
    total: int
    understood: Understood
    relaxed: list[str]  # filters given up because nothing matched, in the order they were given up
    degraded: list[str]  # "rerank": the time did not allow it; "overlay": live prices and stock could not be read
    facets: dict[str, list[FacetCount]]
    hits: list[Hit]
    timings_ms: dict[str, float]
    redirect: str | None = None  # where the shop's rules send this query


class Suggestion(Struct, frozen=True):
    text: str
    kind: Literal["category", "brand", "query", "product"]


class SuggestResponse(Struct, frozen=True):
    suggestions: list[Suggestion]


class ProductResponse(Struct, frozen=True):
    """A product in one language, and the other products of its group."""

    product: Product
    variants: list[str]  # product ids


RerankDocument = Annotated[
    dict[str, object],
    Meta(extra_json_schema={"required": ["text"], "properties": {"text": {"type": "string"}}}),
]
RerankDocuments = Annotated[list[str | RerankDocument], Meta(min_length=1, max_length=MAX_DOCUMENTS)]
RerankTexts = Annotated[list[str], Meta(min_length=1, max_length=MAX_DOCUMENTS)]


class RerankRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Cohere's and Jina's form (`documents`) or TEI's (`texts`): exactly one of the two."""

    query: Annotated[str, Meta(min_length=1, max_length=MAX_QUERY_CHARS)]
    documents: RerankDocuments | UnsetType = UNSET
    texts: RerankTexts | UnsetType = UNSET
    model: str | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    return_text: bool = False  # TEI's name for return_documents
    raw_scores: bool = False  # TEI: log-odds instead of 0..1
    truncate: bool = True


class RerankResult(Struct, frozen=True, omit_defaults=True):
    index: int
    relevance_score: float
    document: dict[str, object] | None = None


class RerankResponse(Struct, frozen=True):
    id: str
    results: list[RerankResult]


class TextScore(Struct, frozen=True, omit_defaults=True):
    """TEI's result row."""

    index: int
    score: float
    text: str | None = None


class OverlayChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is new about one product. null takes a price or a stock back: the catalogue's counts again."""

    product_id: Annotated[str, Meta(min_length=1, max_length=500)]
    price: Annotated[float, Meta(ge=0, le=1000000000000.0)] | UnsetType | None = UNSET  # in the catalogue's currency
    stock: Annotated[int, Meta(ge=0, le=2**53 - 1)] | UnsetType | None = UNSET  # pieces
    hidden: bool | UnsetType = UNSET  # true: shown nowhere, in any bundle, until it is false
    forget: bool = False  # takes back all that was said of the product, the product itself if it was added


class OverlayRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """`products`: rows of a catalogue, searched beside the bundle until one holds them. 100 of both together at most.

    Prices and stock hold until a bundle is made later than they were sent.
    """

    changes: list[OverlayChange] = []
    products: list[dict[str, object]] = []


class OverlayResponse(Struct, frozen=True):
    changed: int  # products
    changed_at: str  # ISO 8601


class Health(Struct, frozen=True):
    status: Literal["ok"]
    version: str
    bundle_id: str
    products: int


class Problem(Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details, with what to do about it."""

    title: str
    status: int
    detail: str
    remedy: str
    request_id: str
    type: str = "about:blank"
