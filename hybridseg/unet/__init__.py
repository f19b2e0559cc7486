"""The deep method: network, pretrained encoder, augmentation, loss, training; `segmenter` is the API over them."""
