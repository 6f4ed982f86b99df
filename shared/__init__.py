"""What is true of images, words, tensors and files, whatever the task."""
