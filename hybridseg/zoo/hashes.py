"""The SHA-256 of each model that ships, as `benchmarks/training/make_zoo.py` wrote it."""

SHA256 = {
    "unet-tiny": "debba7a9c29c9981a7564ed23d939e1ba955e6dac639204a89941db0f8ba5a74",
    "unet": "8caa16fba6fd90b3d117ff623ead2f53d7bd41fb5d1fc2688023bb07af3ef060",
}
