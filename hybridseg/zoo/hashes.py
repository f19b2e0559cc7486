"""The SHA-256 of each model that ships, as `benchmarks/training/make_zoo.py` wrote it."""

SHA256 = {
    "unet-tiny": "ebdb3a1efb58766fa5fb19cf21e61a74a2be842c0681196577d8feb0f5633bdc",
    "unet": "c57932163fbc4d423d68becd648c0a531bf74e2687807c8b23c32252086e0a00",
}
