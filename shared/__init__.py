"""What several commands use: images, words, tensors, data sets, files, and the page."""
