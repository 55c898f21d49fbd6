"""What shoppers did, on its way into the queue."""
