"""The SHA-256 of each model that ships, as `benchmarks/training/make_zoo.py` wrote it."""

SHA256 = {
    "unet-tiny": "6a28e1afeccc98cb1ce252c92bb23b5346352646490d0902b4133400fb04ec3b",
    "unet": "8caa16fba6fd90b3d117ff623ead2f53d7bd41fb5d1fc2688023bb07af3ef060",
}
