"""Says whether a key opens a route."""
