"""Search, suggestions, products and reranking over HTTP."""
