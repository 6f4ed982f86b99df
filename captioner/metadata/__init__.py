"""Words inside photos: descriptions as other programs read them."""
