"""Captions on disk: formats, sheets, text files beside photos, references."""
