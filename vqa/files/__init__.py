"""Questions and answers on disk."""
