"""UNetSegmenter: the deep method that ships."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ..training.segmenter import NetworkSegmenter


class UNetSegmenter(NetworkSegmenter):
    """U-Net with a pretrained or plain encoder; trained with Keras, run with onnxruntime.

    See `NetworkSegmenter` for what is done around the network. The encoder is EfficientNet's Lite0 variant.

    Parameters
    ----------
    encoder : {"efficientnet-lite0", "efficientnet-lite0-short", "none"}
        ``efficientnet-lite0-short`` has two fifths of the parameters and is trained for kernels of 4 bits: ``export
        --weights int4-stored`` costs it next to nothing. ``none`` is a plain U-Net, ``width`` filters wide at its
        first level.
    width : int
        Filters of the plain U-Net's first level.
    pretrained : bool
        Start the encoder from ImageNet weights (a plain U-Net has none).
    **training
        As those of `NetworkSegmenter`; ``size`` is a multiple of 32.

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox, U-Net: Convolutional networks for biomedical image segmentation, MICCAI 2015,
    doi 10.1007/978-3-319-24574-4_28.
    M. Tan, Q. Le, EfficientNet: Rethinking model scaling for convolutional neural networks, ICML 2019,
    arXiv:1905.11946.
    """

    def __init__(
        self,
        *,
        encoder: str = "efficientnet-lite0",
        width: int = 16,
        pretrained: bool = True,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        self.encoder = encoder
        self.width = width
        self.pretrained = pretrained

    def _build(self, size: int) -> Any:
        from .network import build_network

        return build_network(self.encoder, size, self.width)

    def _initialise(self, model: Any) -> None:
        from .network import ENCODERS

        load_pretrained = ENCODERS[self.encoder].load_pretrained
        if self.pretrained and load_pretrained is not None:
            load_pretrained(model)

    def _check_parameters(self) -> None:
        from .network import check_shape

        super()._check_parameters()
        if isinstance(self.width, bool) or not isinstance(self.width, Integral):
            raise ValueError(f"`width` must be an integer of at least 1, got {self.width!r}")
        if not isinstance(self.pretrained, bool):
            raise ValueError(f"`pretrained` must be True or False, got {self.pretrained!r}")
        check_shape(self.encoder, self.size, self.width)
