"""The page: tabs about photos and archives, and all tabs put together."""
