"""Lets shoppers reach a new version of search only when it answers as its bundle's builder did."""
