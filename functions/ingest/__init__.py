"""From the queue into profiles and the event log."""
