"""The workshop: from a shop's data to a sealed bundle. torch, transformers and optimum live only here."""
