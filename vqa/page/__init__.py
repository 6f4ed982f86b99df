"""The page's tab about questions, and its endpoint."""
