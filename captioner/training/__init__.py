"""A training: from a recipe and a data set to a bundle."""
