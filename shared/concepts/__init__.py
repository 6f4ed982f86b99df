"""Concepts: the things, places and people that a photo may show, by everyday words."""
