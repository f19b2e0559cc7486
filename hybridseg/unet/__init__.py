"""The deep method that ships: a U-Net, its pretrained encoder, and the class over both."""
