"""A training: from a recipe and questions to a bundle."""
