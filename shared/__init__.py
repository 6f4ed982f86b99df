"""What both packages use: images, words, tensors, data sets, files, and the page."""
