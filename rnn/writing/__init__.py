"""A language model that writes."""
