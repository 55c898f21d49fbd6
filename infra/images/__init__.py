"""The container images that Lambda runs: what they are made of, and the builder that makes them."""
