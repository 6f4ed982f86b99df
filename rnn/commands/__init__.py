"""Commands of the laboratory, a file for each subject."""
