"""Data sets: readers of what is published and of one's own. No nets."""
