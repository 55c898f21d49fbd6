"""Batch scoring's state machine, and the image that a deployment brings."""
