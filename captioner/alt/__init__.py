"""Alternative texts for the images of a site."""
