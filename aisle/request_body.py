"""A request's body as bytes that may be JSON: declared as such, and no longer than is taken."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from aisle.errors import TooLarge


async def json_body(request: Request, max_bytes: int) -> bytes:
    """The body. Raises HTTPException 415 where it is not declared as JSON, and TooLarge by what is declared, or, since
    that can lie, as soon as too much has come.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415)
    remedy = "send fewer or shorter texts"
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:18]) > max_bytes:
        raise TooLarge(f"the body has {declared[:18]} bytes, more than {max_bytes}", remedy)
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"the body has more than {max_bytes} bytes", remedy)
    return b"".join(chunks)
