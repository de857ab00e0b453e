"""PyTorch's images per second on the work that `meca-dist bench` measures: the peer.

    PYTHON Benchmarks/peer.py --mode train --width 64 --batch 32 --threads 1

One process on the CPU, fp32, channels_last, the network of tools/resnet.py on 32x32 images.
Modes:
  train   forward, cross entropy, backward, SGD step (Nesterov momentum, weight decay)
  eval    forward in evaluation mode
  score   MeCa's robustness score: forward, gradient of the cross entropy by the images (no weight
          gradients), one 2x2 square moved by 16/255 along its sign, forward, KL divergence
Images are made once and stay in memory; reading and shuffling them costs nothing here, while
`meca-dist bench` pays for both. Prints one JSON line; `images_per_second` is the median of --steps
timed steps after --warm-up untimed ones.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from torch.nn.functional import cross_entropy, log_softmax

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from resnet import BLOCKS, ResNet  # noqa: E402

CLASSES = 10
SIDE = 32
PATCH = 2
EPSILON = 16 / 255


class Normalised(torch.nn.Module):
    """The network behind (pixel - mean) / deviation, so that gradients are those of raw pixels."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))
        self.register_buffer("deviation", torch.full((1, 3, 1, 1), 0.22))

    def forward(self, images):
        return self.network((images - self.mean) / self.deviation)


def training_step(model, images, labels):
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    model.train()

    def step():
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(model(images), labels).backward()
        optimiser.step()

    return step


def evaluation_step(model, images, labels):
    model.eval()

    def step():
        with torch.inference_mode():
            model(images)

    return step


def scoring_step(model, images, labels):
    model.eval()
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(2)
    corners = torch.randint(0, SIDE - PATCH + 1, (len(images), 2), generator=generator)
    mask = torch.zeros(len(images), 1, SIDE, SIDE)
    for sample, (top, left) in enumerate(corners.tolist()):
        mask[sample, :, top : top + PATCH, left : left + PATCH] = 1

    def step():
        x = images.detach().requires_grad_(True)
        logits = model(x)
        # A sum, so that each image has the gradient of its own loss.
        (gradient,) = torch.autograd.grad(cross_entropy(logits, labels, reduction="sum"), x)
        with torch.inference_mode():
            perturbed = (images + mask * EPSILON * gradient.sign()).clamp_(0, 1)
            before = log_softmax(logits.detach(), 1)
            after = log_softmax(model(perturbed), 1)
            (before.exp() * (before - after)).sum(1)

    return step


STEPS = {"train": training_step, "eval": evaluation_step, "score": scoring_step}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=sorted(STEPS), default="train")
    parser.add_argument("--model", choices=sorted(BLOCKS), default="resnet18")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10, help="timed steps")
    parser.add_argument("--warm-up", type=int, default=2, help="untimed steps before them")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(1)
    model = Normalised(ResNet(options.model, options.width, CLASSES))
    model = model.to(memory_format=torch.channels_last)
    images = torch.rand(options.batch, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (options.batch,))
    step = STEPS[options.mode](model, images, labels)

    seconds = []
    for number in range(options.warm_up + options.steps):
        begin = time.perf_counter()
        step()
        if number >= options.warm_up:
            seconds.append(time.perf_counter() - begin)
    print(
        json.dumps(
            {
                "batch": options.batch,
                "images_per_second": round(options.batch / statistics.median(seconds), 1),
                "mode": options.mode,
                "model": options.model,
                "threads": options.threads,
                "torch": torch.__version__,
                "width": options.width,
            },
            sort_keys=True,
        )
    )


if __name__ == "__main__":
    main()
