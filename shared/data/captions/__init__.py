"""Captions of photos in the forms in which data sets have them, a file each."""
