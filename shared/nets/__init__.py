"""Parts of neural nets: recurrent cells, attention, and the names of what there is."""
