"""The wiring: a bundle and a few settings in, services that answer out. The only place that knows which class plays
which part.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path

import msgspec

from aisle import __version__
from aisle.bundle import Bundle
from aisle.changes import Changes, open_changes
from aisle.dense import Dense
from aisle.encoder import Encoder
from aisle.errors import BundleError
from aisle.filters import Columns
from aisle.golden import Golden, Replay, replay
from aisle.heavy import HeavyReranker, HeavyRoute
from aisle.identity import NOBODY, Caller
from aisle.lexical import Lexical
from aisle.live import Live
from aisle.local_state import open_state
from aisle.merchandising import Rules
from aisle.overlay import MemoryStore
from aisle.pair_scorer import PairScorer
from aisle.pairs import Pair
from aisle.personal import Personal
from aisle.products import Products
from aisle.ranker import Ranker
from aisle.recommend import Recommend
from aisle.recommender import Recommender
from aisle.reranker import CrossEncoder, sigmoid
from aisle.retrieval import Parts
from aisle.search import Search
from aisle.settings import Settings
from aisle.shoppers import Shoppers, local_shoppers, now_ms, open_shoppers
from aisle.shopping import (
    EventsRequest,
    EventsResponse,
    ForgetResponse,
    NeighbourRequest,
    ProfileResponse,
    RecommendationRequest,
    RecommendationResponse,
)
from aisle.suggest import Suggester
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


def _opened(folder: Path, threads: int) -> Parts:
    encoder = Encoder(folder / "encoder", threads)
    columns = Columns.load(folder / "columns")
    return Parts(
        products=Products.load(folder),
        columns=columns,
        title=Lexical.load(folder / "lexical" / "title"),
        body=Lexical.load(folder / "lexical" / "body"),
        dense=Dense.load(folder / "dense"),
        encoder=encoder,
        reranker=CrossEncoder(folder / "reranker", threads),
        ranker=Ranker(folder / "ranker") if (folder / "ranker").exists() else None,
        understanding=Understanding.load(folder / "understanding", encoder.knows),
        rules=Rules.load(folder / "merchandising.json"),
        personal=Personal.load(folder / "personal", columns) if (folder / "personal").exists() else None,
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
    ) -> None:
        keep_freed_memory()
        self.bundle, self.bundle_id = bundle, bundle.manifest.bundle_id
        self._sealed = open_search(bundle.path, self.bundle_id, threads)
        self._suggester = Suggester.load(bundle.path / "suggest")
        self._changes = changes or Changes(MemoryStore())
        below = self._sealed.parts.heavy_margin if heavy_margin is None else heavy_margin
        self._heavy = HeavyRoute(heavy, below) if heavy else None
        self._shoppers = shoppers or local_shoppers(open_state(None), 0)
        made_at = int(datetime.fromisoformat(bundle.manifest.created_at).timestamp() * 1000)
        self._live = Live(self._sealed.parts, self._changes.store, made_at, time.perf_counter, max_age_ms / 1000)

    def search(self, request: SearchRequest, query_id: str, caller: Caller = NOBODY) -> SearchResponse:
        history = self._shoppers.history(caller) if request.personal else None
        view = self._live.view()
        answer = self._over(view.parts).search(request, query_id, history, now_ms())
        return answer if view.complete else msgspec.structs.replace(answer, degraded=[*answer.degraded, "overlay"])

    def recommend(self, request: RecommendationRequest, query_id: str, caller: Caller) -> RecommendationResponse:
        history = self._shoppers.history(caller)
        return self._recommended(lambda over: over.recommend(request, history, now_ms(), query_id))

    def similar(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        return self._recommended(lambda over: over.similar(request, query_id))

    def together(self, request: NeighbourRequest, query_id: str) -> RecommendationResponse:
        return self._recommended(lambda over: over.together(request, query_id))

    def _recommended(self, answer: Callable[[Recommend], RecommendationResponse]) -> RecommendationResponse:
        view = self._live.view()
        found = answer(Recommend(view.parts, self._recommender, self.bundle_id, time.perf_counter))
        return found if view.complete else msgspec.structs.replace(found, degraded=[*found.degraded, "overlay"])

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

    def suggest(self, query: str, k: int, lang: str | None) -> SuggestResponse:
        unsaid = self._live.view().hidden_titles
        found = self._suggester.suggest(query, k + min(len(unsaid), k), lang)
        return SuggestResponse([s for s in found if s.kind != "product" or s.text not in unsaid][:k])

    def product(self, product_id: str, lang: str | None) -> ProductResponse:
        return self._over(self._live.view().parts).product(product_id, lang)

    def overlay(self, request: OverlayRequest) -> OverlayResponse:
        return self._changes.overlay(request)

    def warm_up(self) -> None:
        """One search, so that the first shopper does not pay for what is made ready on first use."""
        query = Golden.load(self.bundle.file("golden.json")).queries[0].query
        self.search(SearchRequest(query, rerank="student"), "warm-up")

    def _over(self, parts: Parts) -> Search:
        return Search(parts, self.bundle_id, time.perf_counter, self._heavy)

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

    def health(self) -> Health:
        return Health("ok", __version__, self.bundle_id, len(self._sealed.parts.products))

    def replay(self) -> Replay:
        """The bundle's golden queries, searched again on this processor."""
        return replay(Golden.load(self.bundle.file("golden.json")), lambda query: self.ranking(query, 10))


def open_services(settings: Settings, shoppers: Shoppers | None = None) -> Services:
    """The services of the settings' bundle. Raises BundleError where it cannot be opened."""
    age = settings.overlay_cache_ms if settings.overlay_table else 0
    return Services(
        Bundle.open(settings.bundle),
        settings.threads,
        open_changes(settings),
        age,
        shoppers or open_shoppers(settings),
        open_heavy(settings),
        settings.heavy_margin,
    )


def open_heavy(settings: Settings) -> HeavyReranker | None:
    """The settings' endpoint. Raises MissingExtra where boto3 is not installed."""
    if not settings.heavy_endpoint:
        return None
    from aisle.aws.heavy_endpoint import HeavyEndpoint

    return HeavyEndpoint(settings.heavy_endpoint, settings.heavy_component)
