"""Answers and questions as words, ids and concepts."""
