"""Cases and datasets, readers, phantoms, near-duplicates and splits."""
