"""The SHA-256 of each model that ships, as `benchmarks/training/make_zoo.py` wrote it."""

SHA256 = {
    "unet-tiny": "ff417ffb502d8279f13d96303e771eef4b6b53370221e011d6be082a14694c55",
    "unet": "f477384b4e3a3703b846679807669b402b942abe0d615c1f25634d0ca502cf27",
}
