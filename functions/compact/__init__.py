"""The event log, one file a day and without what was forgotten."""
