"""Recommendations, similar products and those bought together over HTTP."""
