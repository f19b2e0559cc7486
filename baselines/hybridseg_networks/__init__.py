"""Known networks, built from their published descriptions and trained by one recipe: users of `NetworkSegmenter`."""
