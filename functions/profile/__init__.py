"""What is known of a shopper, shown and forgotten."""
