"""UNetSegmenter: the deep method that ships."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from ..training.segmenter import NetworkSegmenter


class UNetSegmenter(NetworkSegmenter):
    """U-Net with a pretrained or plain encoder; trained with Keras, run with onnxruntime.

    See `NetworkSegmenter` for what is done around the network. After O. Ronneberger et al., U-Net (MICCAI 2015, doi
    10.1007/978-3-319-24574-4_28); encoder after M. Tan and Q. Le, EfficientNet (ICML 2019, arXiv:1905.11946), Lite0
    variant.

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
    size, epochs, ...
        As those of `NetworkSegmenter`; ``size`` is a multiple of 32.
    """

    def __init__(
        self,
        *,
        encoder: str = "efficientnet-lite0",
        size: int = 192,
        width: int = 16,
        pretrained: bool = True,
        epochs: int = 36,
        batch_size: int = 8,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        ema_decay: float = 0.998,
        lesion_free_share: float = 0.2,
        window_share: float = 0.5,
        images_per_group: int | None = None,
        patience: int = 20,
        validation_share: float = 0.1,
        flip_averaging: bool = True,
        teacher: str | Sequence[str] | None = None,
        teacher_share: float = 0.5,
        start_from: str | None = None,
        random_state: int = 0,
        threads: int = 1,
        checkpoint_dir: str | None = None,
    ) -> None:
        super().__init__(
            size=size, epochs=epochs, batch_size=batch_size,
            learning_rate=learning_rate, weight_decay=weight_decay, ema_decay=ema_decay,
            lesion_free_share=lesion_free_share, window_share=window_share, images_per_group=images_per_group,
            patience=patience, validation_share=validation_share,
            flip_averaging=flip_averaging, teacher=teacher, teacher_share=teacher_share,
            start_from=start_from, random_state=random_state, threads=threads,
            checkpoint_dir=checkpoint_dir,
        )
        self.encoder = encoder
        self.width = width
        self.pretrained = pretrained

    def _build(self, size: int) -> Any:
        from .network import build_network

        return build_network(self.encoder, size, self.width)

    def _initialise(self, model: Any) -> None:
        from .imagenet import load_lite0

        if self.pretrained and self.encoder != "none":  # a plain encoder has no weights to start from
            load_lite0(model)

    def _check_parameters(self) -> None:
        from .network import check_shape

        super()._check_parameters()
        if isinstance(self.width, bool) or not isinstance(self.width, Integral):
            raise ValueError(f"`width` must be an integer of at least 1, got {self.width!r}")
        if not isinstance(self.pretrained, bool):
            raise ValueError(f"`pretrained` must be True or False, got {self.pretrained!r}")
        check_shape(self.encoder, self.size, self.width)
