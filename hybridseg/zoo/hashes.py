"""The SHA-256 of each model that ships, as `benchmarks/training/make_zoo.py` wrote it."""

SHA256 = {
    "unet-tiny": "debba7a9c29c9981a7564ed23d939e1ba955e6dac639204a89941db0f8ba5a74",
    "unet": "f78a130704e95e8afdf7c5c595c901800101cec60946e94d249a6d1ae1031b20",
}
