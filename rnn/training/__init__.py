"""A training: from a recipe and a text to a bundle."""
