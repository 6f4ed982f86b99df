"""A trained captioner at work: what it says of a photo, and how surely."""
