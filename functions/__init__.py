"""The Lambda functions, one folder each; `handler` in each folder's handler.py is what AWS calls."""
