"""A run on disk: rows, fits, costs, masks, and the folder that holds them."""
