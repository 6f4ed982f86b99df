"""Answer questions about photos."""
