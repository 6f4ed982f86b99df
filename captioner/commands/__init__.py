"""Commands beside `captioner caption` and `concepts`, a file for each subject."""
