"""Writes the golden values that Tests/MecaNNTests compares the Swift networks with.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tools/golden.py Tests/MecaNNTests/Golden

The files in the repository were made with torch 2.13 on one thread. The networks are the smallest
honest ones; each has a folder:

resnet18-small        width 4, 16x16 images, 10 classes; microbatches of 8
resnet18-imagenet     width 4, 40x37 images, 5 classes; microbatches of 4
mobilenetv2-imagenet  width 4, 40x37 images, 5 classes; microbatches of 4; trained for 200 steps on
                      brightness that tells the class, since 52 layers that were only drawn amplify
                      rounding tenfold a step, and then no ten steps can be compared

initial.safetensors   state_dict before training, with running statistics that are not 0 and 1
inputs.safetensors    images [2 microbatches, 3, H, W] in [0, 1] and labels; metadata: mean, std
training.safetensors  training mode on the first microbatch: logits, losses, every parameter's gradient
                      of the mean loss ("grad.NAME"), its gradient in raw pixels ("grad.images"),
                      running statistics after this one pass ("stat.NAME")
inference.safetensors evaluation mode with the initial weights on all images: logits, and the gradient
                      of each image's own loss in raw pixels for the first half of the first microbatch
                      ("grad.images")
trace.safetensors     losses of ten SGD steps (momentum 0.9, Nesterov, weight decay 5e-4; learning rate
                      0.05, with ImageNet's stem 0.01) on the two microbatches in turns, in float
                      ("losses") and in double precision ("losses64", rounded to float)

To keep the files small the last two networks have weights and images that half precision holds, stored
so, and of gradients with more than 2048 numbers every n-th is stored, n = ceil(count / 2048).
"""

import json
import pathlib
import sys

import numpy
import torch
from torch.nn.functional import cross_entropy

import tensorfile
from mobilenet import MobileNetV2
from resnet import ResNet

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
MOST_STORED = 2048


class Case:
    """One network, its images and how its values are stored."""

    def __init__(self, make, classes, size, microbatch, rate=0.01, compact=True, steps=0):
        self.make, self.classes, self.size, self.steps = make, classes, size, steps
        self.microbatch, self.rate, self.compact = microbatch, rate, compact

    def drawn(self, count):
        """Random images and labels; brightness tells the class where the network is trained first."""
        images = torch.rand(count, 3, *self.size)
        labels = torch.randint(0, self.classes, (count,))
        if self.steps:
            images = 0.6 * images + 0.1 * labels.view(-1, 1, 1, 1)
        return self.rounded(images), labels

    def train(self, model):
        model.train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
        for _ in range(self.steps):
            images, labels = self.drawn(32)
            optimiser.zero_grad()
            cross_entropy(model(normalise(images)), labels).backward()
            optimiser.step()
        model.zero_grad()
        for buffer in model.buffers():
            if not buffer.is_floating_point():
                buffer.zero_()

    def rounded(self, tensor):
        """The tensor, or the nearest one that half precision holds."""
        return tensor.half().float() if self.compact and tensor.is_floating_point() else tensor

    def stored(self, tensor):
        """The same numbers in as few bytes as they need."""
        return tensor.half() if self.compact and tensor.is_floating_point() else tensor

    def thinned(self, tensor):
        """Not more than MOST_STORED numbers of a gradient."""
        if not self.compact or tensor.numel() <= MOST_STORED:
            return tensor
        return tensor.flatten()[:: -(-tensor.numel() // MOST_STORED)]


CASES = {
    "resnet18-small": Case(lambda: ResNet("resnet18", 4, 10), 10, (16, 16), 8, 0.05, False),
    "resnet18-imagenet": Case(lambda: ResNet("resnet18", 4, 5, "imagenet"), 5, (40, 37), 4),
    "mobilenetv2-imagenet": Case(
        lambda: MobileNetV2(4, 5, "imagenet"), 5, (40, 37), 4, steps=200
    ),
}


def normalise(images):
    shape = (1, 3, 1, 1)
    mean = torch.tensor(MEAN, dtype=torch.float32).to(images.dtype).view(shape)
    std = torch.tensor(STD, dtype=torch.float32).to(images.dtype).view(shape)
    return (images - mean) / std


def loaded(case, state, kind=torch.float32):
    model = case.make()
    model.load_state_dict(state)
    return model.to(kind)


def trace(case, state, images, labels, kind):
    model = loaded(case, state, kind).train()
    optimiser = torch.optim.SGD(
        model.parameters(), lr=case.rate, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    losses = []
    for step in range(10):
        first = step % 2 * case.microbatch
        half = slice(first, first + case.microbatch)
        loss = cross_entropy(model(normalise(images[half].to(kind))), labels[half])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return numpy.array(losses, numpy.float32)


def write(case, folder):
    torch.manual_seed(20)
    folder.mkdir(parents=True, exist_ok=True)
    count = case.microbatch
    model = case.make()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # Values other than 1 and 0, so that a swapped or forgotten one is seen.
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.6, 1.8)
    case.train(model)
    state = {name: case.rounded(tensor.clone()) for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    images, labels = case.drawn(2 * count)

    def save(name, tensors, metadata=None):
        arrays = {key: value.detach().numpy() for key, value in tensors.items()}
        tensorfile.save(folder / f"{name}.safetensors", arrays, metadata)

    metadata = {"mean": json.dumps(MEAN), "std": json.dumps(STD)}
    save("initial", {name: case.stored(tensor) for name, tensor in state.items()})
    save("inputs", {"images": case.stored(images), "labels": labels.float()}, metadata)

    model.train()
    raw = images[:count].clone().requires_grad_()
    logits = model(normalise(raw))
    losses = cross_entropy(logits, labels[:count], reduction="none")
    losses.mean().backward()
    result = {"logits": logits, "losses": losses, "grad.images": case.thinned(raw.grad)}
    result.update({f"grad.{name}": case.thinned(p.grad) for name, p in model.named_parameters()})
    result.update({f"stat.{name}": b for name, b in model.named_buffers() if "running" in name})
    save("training", result)

    model = loaded(case, state).eval()
    raw = images.clone().requires_grad_()
    logits = model(normalise(raw))
    cross_entropy(logits, labels, reduction="sum").backward()
    save("inference", {"logits": logits, "grad.images": case.thinned(raw.grad[: count // 2])})

    losses = {
        "losses": torch.from_numpy(trace(case, state, images, labels, torch.float32)),
        "losses64": torch.from_numpy(trace(case, state, images, labels, torch.float64)),
    }
    save("trace", losses)
    for name, values in losses.items():
        print(folder.name, name, [round(v, 6) for v in values.tolist()])


def main(folder):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name, case in CASES.items():
        write(case, pathlib.Path(folder) / name)


main(sys.argv[1])
