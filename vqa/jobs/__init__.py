"""What commands do with a trained VQA model, from start to end."""
