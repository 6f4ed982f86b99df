"""Files that survive: written whole, locked, continued after an interruption."""
