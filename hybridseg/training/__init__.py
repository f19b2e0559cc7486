"""Training networks: sampling, augmentation, loss, operating point, conversion. Knows no network by name."""
