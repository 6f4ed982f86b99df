"""What commands do with a trained captioner, from start to end."""
