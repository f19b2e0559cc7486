"""An example plug-in: copy this folder, rename it, replace the methods."""

import numpy as np

from hybridseg import NetworkSegmenter, OperatingPoint, Segmenter, Tags


class DarkWhereSeenSegmenter(Segmenter):
    """Dark pixels where the training set has its lesions.

    Parameters
    ----------
    cells : int
        Rows, and columns, of the map of where lesions were seen.
    """

    tags = Tags(requires_fit=True, exportable=False, export_reason="it is an example")
    operating_point = OperatingPoint(threshold=0.4, largest_only=True)

    def __init__(self, *, cells=16):
        self.cells = cells

    def _fit(self, images, masks, *, groups, validation, progress):
        middles = (np.arange(self.cells) + 0.5) / self.cells
        seen = np.mean([mask[np.ix_(*[(middles * side).astype(int) for side in mask.shape])] for mask in masks], axis=0)
        self.seen_ = (seen / max(seen.max(), 1e-6)).astype(np.float32)

    def _predict_proba(self, image):
        rows, columns = (np.arange(side) * self.cells // side for side in image.shape)
        return self.seen_[np.ix_(rows, columns)] * (1 - image / np.float32(255))


class SmallNetworkSegmenter(NetworkSegmenter):
    """Four convolutions at a quarter of the picture's size.

    Parameters
    ----------
    filters : int
        Filters of each convolution.
    **training
        As those of `hybridseg.NetworkSegmenter`.
    """

    def __init__(self, *, filters=16, **training):
        super().__init__(**training)
        self.filters = filters

    def _build(self, size):
        import keras
        from keras import layers

        image = keras.Input((size, size, 1))
        x = layers.AveragePooling2D(4)(layers.Rescaling(1 / 255)(image))
        for dilation in (1, 2, 4):
            x = layers.Conv2D(self.filters, 3, padding="same", dilation_rate=dilation, activation="relu")(x)
        x = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
        return keras.Model(image, layers.UpSampling2D(4, interpolation="bilinear")(x))
