"""The language model, and what runs it."""
