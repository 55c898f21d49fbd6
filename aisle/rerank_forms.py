"""`/v1/rerank` in the two forms that clients already speak: Cohere's and Jina's `documents`, TEI's `texts`.

Both are a query and a list of texts in, and scores in 0..1 out; only the envelopes differ. It knows no model: scores
come from a callable.
"""

import math
from collections.abc import Callable

from msgspec import UNSET

from aisle.errors import BadInput
from aisle.types import RerankRequest, RerankResponse, RerankResult, TextScore

Score = Callable[[str, list[str]], list[float]]
_CLOSEST = 1e-7  # how near to 0 and 1 a score may come before its log-odds are cut off at ±16


def answer_rerank(request: RerankRequest, score: Score, request_id: str) -> RerankResponse | list[TextScore]:
    """Best first, in the form that was asked in. Raises BadInput."""
    scores = score(request.query, asked_texts(request))
    return in_form(request, [_log_odds(score) for score in scores] if request.raw_scores else scores, request_id)


def asked_texts(request: RerankRequest) -> list[str]:
    """The texts to score, whichever form they came in. Raises BadInput for a request that no answer can keep."""
    if not request.truncate:
        raise BadInput(
            "truncate is false, but long texts are always cut", "leave truncate out, and shorten texts yourself"
        )
    return _texts(request)[0]


def in_form(request: RerankRequest, values: list[float], request_id: str) -> RerankResponse | list[TextScore]:
    """`values` of the asked texts, in 0..1 or as log-odds where these were asked for: best first, in the same form."""
    texts, documents = _texts(request)
    ranked = sorted(enumerate(values), key=lambda pair: -pair[1])[: request.top_n]  # equal ones keep their order
    show = request.return_documents or request.return_text
    if request.texts is not UNSET:
        return [TextScore(row, value, texts[row] if show else None) for row, value in ranked]
    results = [RerankResult(row, value, documents[row] if show else None) for row, value in ranked]
    return RerankResponse(request_id, results)


def _texts(request: RerankRequest) -> tuple[list[str], list[dict[str, object]]]:
    """The texts to score, and the documents that they stand for."""
    if request.texts is not UNSET and request.documents is UNSET:
        return request.texts, []
    if request.documents is UNSET or request.texts is not UNSET:
        seen = "neither documents nor texts" if request.documents is UNSET else "both documents and texts"
        raise BadInput(f"the body has {seen}", "send documents for results, or texts for TEI's bare list")
    documents: list[dict[str, object]] = [
        {"text": entry} if isinstance(entry, str) else entry for entry in request.documents
    ]
    return [_text(row, document) for row, document in enumerate(documents)], documents


def _text(row: int, document: dict[str, object]) -> str:
    text = document.get("text")
    if not isinstance(text, str):
        raise BadInput(f'documents[{row}] has no "text" that is text', 'send each document as text or as {"text": "…"}')
    return text


def _log_odds(score: float) -> float:
    kept = min(max(score, _CLOSEST), 1 - _CLOSEST)
    return math.log(kept / (1 - kept))
