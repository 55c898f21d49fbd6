"""Changes between two builds: prices, stock, hidden and new products."""
