"""A trained model on disk, in the forms that Keras and LiteRT read."""
