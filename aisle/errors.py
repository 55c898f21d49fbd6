"""Every error aisle raises on purpose, with who can act on it.

    AisleError
    ├── BadInput            the caller: a request, a table, a recipe, an argument        HTTP 400, CLI exit 2
    │   ├── NotFound        the caller named something that is not there                 HTTP 404
    │   ├── NotIdentified   the caller did not say, or not validly, who is shopping      HTTP 401
    │   └── TooLarge        the caller sent more than is taken                           HTTP 413
    ├── BundleError         the operator: a bundle that cannot be opened or verified     HTTP 503, CLI exit 2
    ├── Unavailable         nobody: something that an answer needs does not answer       HTTP 503, CLI exit 2
    └── MissingExtra        the operator: a command whose packages are not installed     CLI exit 2

An error says what was seen, which rule it breaks, and what to do about it. The HTTP door and the command line turn
these into problem+json and exit codes; nothing below them knows about either.
"""


class AisleError(Exception):
    """Base of the tree. `detail` says what is wrong (value and rule), `remedy` what to do next."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(f"{detail}: {remedy}")
        self.detail = detail
        self.remedy = remedy


class BadInput(AisleError):
    """What the caller sent breaks a stated rule."""


class NotFound(BadInput):
    """The caller named a product, a recipe or a file that does not exist."""


class NotIdentified(BadInput):
    """The caller asks for what is somebody's own, without a valid word on whose."""


class TooLarge(BadInput):
    """The caller sent more than a stated limit."""


class BundleError(AisleError):
    """A bundle is incomplete, damaged, or newer than this code."""


class Unavailable(AisleError):
    """A table, a parameter or another function that an answer needs is missing, throttled or silent."""


class MissingExtra(AisleError):
    """A command needs an optional dependency that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", f"pip install 'aisle[{extra}]'")
