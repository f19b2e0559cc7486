"""The SHA-256 of each model that ships, as `benchmarks/training/make_zoo.py` wrote it."""

SHA256 = {
    "unet-tiny": "9a5bfadade58f939792493d425ab71fc1d13752838f36a148d95d5172f8d5f30",
    "unet": "f8067f2d1ec1821dd8fdc7e30a878ed25ecd2dd54a60495f53f95e83d6cb411a",
}
