"""Commands of the captioner, a file for each subject."""
