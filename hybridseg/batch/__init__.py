"""Many files: which of them to segment, and what comes of each."""
