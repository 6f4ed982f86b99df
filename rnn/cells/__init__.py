"""What single cells do while a text is read."""
