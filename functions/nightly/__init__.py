"""What is chosen and computed at night, ahead of the day's visits."""
