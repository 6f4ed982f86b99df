"""Describe photos in a sentence: CNN encoder, LSTM decoder, beam search."""
