"""The wiring: a bundle and a few settings in, services that answer out. The only place that knows which class plays
which part.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from aisle import __version__
from aisle.bundle import Bundle
from aisle.changes import Changes, open_changes
from aisle.customer_lists import CustomerLists
from aisle.encoder import Encoder
from aisle.errors import BundleError, NotFound, Unavailable
from aisle.files import Files, LocalFiles
from aisle.gathering import GatheredSearch
from aisle.golden import Golden, Replay, replay
from aisle.heavy import HeavyReranker, HeavyRoute
from aisle.identity import NOBODY, Caller
from aisle.indexed import Indexed, load_statistics, nothing_of
from aisle.lance_catalogue import PLACE, LanceCatalogue, Place
from aisle.live import Live, View
from aisle.local_state import open_state
from aisle.merchandising import Rules
from aisle.overlay import MemoryStore
from aisle.pair_scorer import PairScorer
from aisle.pairs import Pair
from aisle.profile import Profile
from aisle.query_cache import QueryCache
from aisle.ranker import Ranker
from aisle.recommend import Recommend
from aisle.recommender import Recommender
from aisle.reranker import CrossEncoder, sigmoid
from aisle.retrieval import Parts
from aisle.search import Search
from aisle.settings import Settings
from aisle.shoppers import Shoppers, history_of, local_shoppers, now_ms, open_shoppers
from aisle.shopping import (
    Act,
    EventsRequest,
    EventsResponse,
    ForgetResponse,
    NeighbourRequest,
    ProfileResponse,
    RecommendationRequest,
    RecommendationResponse,
    Suggested,
)
from aisle.suggest import Suggester
from aisle.text import fold
from aisle.types import (
    Health,
    OverlayRequest,
    OverlayResponse,
    ProductResponse,
    SearchRequest,
    SearchResponse,
    SuggestResponse,
)
from aisle.understanding import Understanding

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def open_search(folder: Path, bundle_id: str, threads: int) -> Search:
    """Search over a bundle, or over a draft whose ranker is not fitted yet. Raises BundleError for broken files."""
    try:
        return Search(_opened(folder, threads), bundle_id, time.perf_counter)
    except Exception as exc:  # numpy, tokenizers and onnxruntime each have errors of their own, some of them bare
        raise BundleError(f"{folder} cannot be opened ({exc})", "copy the bundle again or rebuild it") from exc


def open_sealed(folder: Path, bundle_id: str, threads: int, patience_s: float | None = None) -> Search | GatheredSearch:
    """`open_search`, and where the bundle names a table, search over that. Raises Unavailable and MissingExtra too.

    `patience_s`: with the table, None for what a shopper has.
    """
    if not (folder / PLACE).exists():
        return open_search(folder, bundle_id, threads)
    place = Place.load(folder)
    try:
        statistics = load_statistics(folder)
        parts = _opened(
            folder, threads, nothing_of(folder, statistics, place.dim), statistics.knows if place.sampled else None
        )
    except Exception as exc:  # as in open_search
        raise BundleError(f"{folder} cannot be opened ({exc})", "copy the bundle again or rebuild it") from exc
    over = partial(Search, bundle_id=bundle_id, clock=time.perf_counter)
    return GatheredSearch(parts, statistics, LanceCatalogue(place, patience_s), time.perf_counter, over)


def _opened(
    folder: Path, threads: int, indexed: Indexed | None = None, said: Callable[[str], bool] | None = None
) -> Parts:
    """`indexed`: what is found, where that is not in `folder`; `said`: a word of the catalogue, not a typing error."""
    encoder = Encoder(folder / "encoder", threads)
    indexed = indexed or Indexed.load(folder)
    return Parts(
        products=indexed.products,
        columns=indexed.columns,
        title=indexed.title,
        body=indexed.body,
        dense=indexed.dense,
        encoder=encoder,
        reranker=CrossEncoder(folder / "reranker", threads),
        ranker=Ranker(folder / "ranker") if (folder / "ranker").exists() else None,
        understanding=Understanding.load(
            folder / "understanding", lambda word: encoder.knows(word) or (said is not None and said(word))
        ),
        rules=Rules.load(folder / "merchandising.json"),
        personal=indexed.personal(folder),
        **json.loads((folder / "search.json").read_bytes()),
    )


def keep_freed_memory() -> None:
    """Tell glibc to keep what a search frees for the next one. Does nothing under another C library.

    By default it returns large arrays to the system, and the next search pays a page fault for each 4 KB of its own:
    among a million products that was half of the time.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that glibc accepts
        libc.mallopt(_M_TRIM_THRESHOLD, 512 << 20)


class Services:
    """What the doors call (`aisle.operations.Services`), over one bundle and what has changed since."""

    def __init__(
        self,
        bundle: Bundle,
        threads: int,
        changes: Changes | None = None,
        max_age_ms: int = 0,
        shoppers: Shoppers | None = None,
        heavy: HeavyReranker | None = None,
        heavy_margin: float | None = None,
        cache: QueryCache | None = None,
    ) -> None:
        keep_freed_memory()
        self.bundle, self.bundle_id = bundle, bundle.manifest.bundle_id
        self._sealed = open_sealed(bundle.path, self.bundle_id, threads)
        self._suggester = Suggester.load(bundle.path / "suggest")
        self._changes = changes or Changes(MemoryStore())
        below = self._sealed.parts.heavy_margin if heavy_margin is None else heavy_margin
        self._heavy = HeavyRoute(heavy, below) if heavy else None
        self._cache = cache
        self._shoppers = shoppers or local_shoppers(open_state(None), 0)
        made_at = int(datetime.fromisoformat(bundle.manifest.created_at).timestamp() * 1000)
        self._live = Live(self._sealed.parts, self._changes.store, made_at, time.perf_counter, max_age_ms / 1000)

    def search(self, request: SearchRequest, query_id: str, caller: Caller = NOBODY) -> SearchResponse:
        history = history_of(self._shoppers.known(caller)) if request.personal else None
        view = self._live.view()
        answer = self._answering(view.parts).search(request, query_id, history, now_ms())
        return answer if view.complete else msgspec.structs.replace(answer, degraded=[*answer.degraded, "overlay"])

    def recommend(self, request: RecommendationRequest, query_id: str, caller: Caller) -> RecommendationResponse:
        known = self._shoppers.known(caller)
        history = history_of(known)
        return self._recommended(
            lambda over: over.recommend(request, history, now_ms(), query_id, lambda: (known() or Profile()).suggested)
        )

    def choose(self, acts: Sequence[Act], now_ms: int) -> Suggested:
        """What `recommend` may take from later, for a shopper who did `acts`."""
        return self._over_view(self._live.view()).choose(acts, now_ms)

    def similar(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        return self._recommended(lambda over: over.similar(request, query_id))

    def together(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        return self._recommended(lambda over: over.together(request, query_id))

    def _recommended(self, answer: Callable[[Recommend], RecommendationResponse]) -> RecommendationResponse:
        view = self._live.view()
        found = answer(self._over_view(view))
        return found if view.complete else msgspec.structs.replace(found, degraded=[*found.degraded, "overlay"])

    def _over_view(self, view: View) -> Recommend:
        if isinstance(self._sealed, GatheredSearch):
            raise NotFound(
                "this bundle recommends nothing, for its catalogue lies in a table",
                "recommend from a bundle that holds its catalogue",
            )
        return Recommend(view.parts, self._recommender, self.bundle_id, time.perf_counter)

    @cached_property
    def _recommender(self) -> Recommender | None:
        folder = self.bundle.path / "recommender"
        return Recommender.load(folder) if folder.exists() else None

    def events(self, request: EventsRequest, caller: Caller) -> EventsResponse:
        return self._shoppers.events(request, caller)

    def profile(self, caller: Caller) -> ProfileResponse:
        return self._shoppers.profile(caller)

    def forget(self, caller: Caller) -> ForgetResponse:
        return self._shoppers.forget(caller)

    def ranking(self, query: str, k: int) -> list[tuple[str, float]]:
        """The k best (product_id, score) of the sealed bundle, every variant for itself, as `aisle run` and
        `aisle verify` need them."""
        return self._sealed.ranking(query, k)

    def precompute(self, queries: Iterable[str]) -> dict[str, dict[str, float]]:
        """For a query cache: each query as the cross-encoder reads it -> product_id -> what it says."""
        kept: dict[str, dict[str, float]] = {}
        for text, said in map(self._sealed.said, queries):
            if said:  # queries that differ in a price alone are read alike
                kept.setdefault(fold(text), {}).update(said)
        return kept

    def suggest(self, query: str, k: int, lang: str | None) -> SuggestResponse:
        unsaid = self._live.view().hidden_titles
        found = self._suggester.suggest(query, k + min(len(unsaid), k), lang)
        return SuggestResponse([s for s in found if s.kind != "product" or s.text not in unsaid][:k])

    def product(self, product_id: str, lang: str | None) -> ProductResponse:
        return self._answering(self._live.view().parts).product(product_id, lang)

    def overlay(self, request: OverlayRequest) -> OverlayResponse:
        return self._changes.overlay(request)

    def warm_up(self) -> None:
        """One search, so that the first shopper does not pay for what is made ready on first use.

        A table that takes too long for it has at least begun to be read.
        """
        query = Golden.load(self.bundle.file("golden.json")).queries[0].query
        with suppress(Unavailable):
            self.search(SearchRequest(query, rerank="student"), "warm-up")

    def _answering(self, parts: Parts) -> Search | GatheredSearch:
        """Over the live `parts`, or over those that each request gathers."""
        if not isinstance(self._sealed, GatheredSearch):
            return self._over(parts)
        return self._sealed.through(lambda gathered: self._over(self._live.over(gathered).parts))

    def _over(self, parts: Parts) -> Search:
        return Search(parts, self.bundle_id, time.perf_counter, self._heavy, self._cache)

    def rerank(self, query: str, texts: list[str]) -> list[float]:
        """One score in 0..1 per text, each from its pair alone."""
        reranker = self._sealed.parts.reranker
        # One pair at a time: dynamic quantisation scales activations by the batch, and neighbours must not matter.
        return [float(sigmoid(reranker.score(query, [text]))[0]) for text in texts]

    def score(self, pair: Pair) -> float:
        """0..1, from this pair alone: by the scorer of pairs where the bundle has one, else by the cross-encoder."""
        return self._pair_scorer.score(pair) if self._pair_scorer else self.rerank(pair.query, [pair.text])[0]

    @cached_property
    def _pair_scorer(self) -> PairScorer | None:
        if not self.bundle.has("pairs/scorer.json"):
            return None
        return PairScorer.load(self.bundle.path / "pairs", self._sealed.parts.encoder, self._sealed.parts.reranker)

    def embed(self, text: str) -> NDArray[np.float32]:
        """(dim,) a unit vector, from this text alone; of a product's `product_text` what its index holds, unrounded."""
        vector: NDArray[np.float32] = self._sealed.parts.encoder.encode([text])[0]
        return vector

    @property
    def dim(self) -> int:
        """Of a vector."""
        return self.bundle.manifest.dim

    def suited(self, customer_id: str, k: int, new: bool) -> list[tuple[str, float]]:
        """The k best (product_id, score) for a customer of the sealed bundle, as `aisle recommend` prints them.

        Raises BundleError where the bundle has no recommender or no histories.
        """
        return self._customer_lists.suited(customer_id, k, new)

    @cached_property
    def _customer_lists(self) -> CustomerLists:
        return CustomerLists(self.bundle)

    def health(self) -> Health:
        return Health("ok", __version__, self.bundle_id, self.bundle.manifest.n_products)

    def replay(self) -> Replay:
        """The bundle's golden queries, searched again on this processor."""
        return replay(Golden.load(self.bundle.file("golden.json")), lambda query: self.ranking(query, 10))


def open_services(settings: Settings, shoppers: Shoppers | None = None) -> Services:
    """The services of the settings' bundle. Raises BundleError where it cannot be opened."""
    age = settings.overlay_cache_ms if settings.overlay_table else 0
    bundle = Bundle.open(settings.bundle)
    return Services(
        bundle,
        settings.threads,
        open_changes(settings),
        age,
        shoppers or open_shoppers(settings),
        open_heavy(settings),
        settings.heavy_margin,
        open_cache(settings, bundle.manifest.bundle_id),
    )


def open_cache(settings: Settings, bundle_id: str) -> QueryCache | None:
    """The settings' query cache of a bundle, which is read meanwhile."""
    files = query_files(settings.query_cache)
    return QueryCache.reading(files, bundle_id) if files else None


def query_files(place: str) -> Files | None:
    """Where query caches lie: a folder, or s3://bucket/folder; None where there is no place."""
    if not place.startswith("s3://"):
        return LocalFiles(Path(place)) if place else None
    from aisle.aws.bucket_files import BucketFiles

    bucket, _, folder = place.removeprefix("s3://").partition("/")
    return BucketFiles(bucket, f"{folder.strip('/')}/" if folder.strip("/") else "")


def open_heavy(settings: Settings) -> HeavyReranker | None:
    """The settings' endpoint. Raises MissingExtra where boto3 is not installed."""
    if not settings.heavy_endpoint:
        return None
    from aisle.aws.heavy_endpoint import HeavyEndpoint

    return HeavyEndpoint(settings.heavy_endpoint, settings.heavy_component)
