"""The archive: captions of photos, and words of people, in a database to search."""
