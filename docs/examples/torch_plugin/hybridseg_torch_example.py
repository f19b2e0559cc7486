"""A U-Net that PyTorch trains: copy this folder, rename it, replace the network."""

from __future__ import annotations

import importlib.util

import numpy as np

from hybridseg import OnnxNetworkSegmenter


class TorchUNetSegmenter(OnnxNetworkSegmenter):
    """A small U-Net, trained with PyTorch and run with onnxruntime.

    Parameters
    ----------
    width : int
        Filters of the first level; they double at each of the two others.
    epochs, batch_size, learning_rate
        Adam, on the pictures as they are and mirrored.
    **network
        As those of `hybridseg.OnnxNetworkSegmenter`; ``size`` is a multiple of 4.
    """

    def __init__(self, *, width=16, epochs=20, batch_size=8, learning_rate=1e-3, **network):
        super().__init__(**network)
        self.width = width
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate

    def _check_parameters(self):
        super()._check_parameters()
        if self.size % 4:
            raise ValueError(f"`size` must be a multiple of 4, got {self.size}")

    def _check_fittable(self):
        missing = [name for name in ("torch", "onnx", "onnxscript") if importlib.util.find_spec(name) is None]
        if missing:
            raise ImportError(f"training needs {', '.join(missing)}; run: pip install 'hybridseg-torch-example[torch]'")

    def _train(self, learn, judge, progress):
        import torch

        error = torch.nn.functional.binary_cross_entropy
        rng = np.random.default_rng(self.random_state)
        images, masks = map(as_tensor, judge)
        best, least = None, float("inf")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            network = small_unet(self.width)
        optimizer = torch.optim.Adam(network.parameters(), self.learning_rate)
        for epoch in range(self.epochs):
            network.train()
            order = rng.permutation(len(learn[0]))
            for places in np.array_split(order, -(-len(order) // self.batch_size)):
                mirrored = rng.choice([-1, 1])
                image, mask = (as_tensor(part[places][:, :, ::mirrored]) for part in learn)
                optimizer.zero_grad()
                error(network(image), mask).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                held_out = float(error(network(images), masks))
            if best is None or held_out < least:
                best, least = {name: value.clone() for name, value in network.state_dict().items()}, held_out
            progress(epoch + 1, self.epochs, f"loss {held_out:.3f}")
        network.load_state_dict(best)
        return to_onnx(network, self.size)


def as_tensor(pictures):
    """Return (n, S, S) images or masks as float32 (n, S, S, 1)."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures, np.float32)[..., None])


def small_unet(width):
    """Return a module from grey levels (N, S, S, 1) to a probability of that shape."""
    import torch
    from torch import nn

    def level(inside, outside):
        return nn.Sequential(
            nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(),
            nn.Conv2d(outside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(),
        )  # fmt: skip

    class SmallUNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.ModuleList([level(1, width), level(width, 2 * width), level(2 * width, 4 * width)])
            self.wider = nn.ModuleList([nn.ConvTranspose2d(2 * k * width, k * width, 2, stride=2) for k in (2, 1)])
            self.up = nn.ModuleList([level(2 * k * width, k * width) for k in (2, 1)])
            self.last = nn.Conv2d(width, 1, 1)

        def forward(self, image):
            x = image.permute(0, 3, 1, 2) / 127.5 - 1  # PyTorch's order, and small numbers
            skips = []
            for step in self.down:
                x = step(nn.functional.max_pool2d(x, 2) if skips else x)
                skips.append(x)
            for wider, step, skip in zip(self.wider, self.up, skips[-2::-1], strict=True):
                x = step(torch.cat([skip, wider(x)], 1))
            return torch.sigmoid(self.last(x)).permute(0, 2, 3, 1)

    return SmallUNet()


def to_onnx(network, size):
    """Return the network as the bytes of an ONNX file, for any number of pictures."""
    import torch

    program = torch.onnx.export(
        network, (torch.zeros(2, size, size, 1),), input_names=["image"], output_names=["probability"],
        dynamic_shapes=({0: torch.export.Dim("N")},), opset_version=18, dynamo=True, verbose=False,
    )  # fmt: skip
    return program.model_proto.SerializeToString()
