"""The net: encoder, concepts and recurrent decoder, and what runs it."""
