"""Questions in the forms in which data sets are published, a file each."""
