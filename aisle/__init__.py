"""aisle: serverless AI search and recommendations for online shops. This package is all that serving needs."""

__version__ = "0.1.0"
