"""Writes the golden values that Tests/MecaNNTests compares the Swift network with.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tools/golden.py Tests/MecaNNTests/Golden

The files in the repository were made with torch 2.13 on one thread. The network is the smallest
honest ResNet-18: width 4, 16x16 images, 10 classes, so that all files stay below 600 KB.

initial.safetensors   state_dict before training, with running statistics that are not 0 and 1
inputs.safetensors    images [16, 3, 16, 16] in [0, 1] and labels [16]; metadata: mean, std
training.safetensors  training mode on images 0..7: logits, losses, every parameter's gradient of the
                      mean loss ("grad.NAME"), its gradient in raw pixels ("grad.images"), running
                      statistics after this one pass ("stat.NAME")
inference.safetensors evaluation mode with the initial weights on images 0..15: logits, and the
                      gradient of each image's own loss in raw pixels for images 0..3 ("grad.images")
trace.safetensors     losses of ten SGD steps (learning rate 0.05, momentum 0.9, Nesterov, weight
                      decay 5e-4) on images 0..7 and 8..15 in turns, in float ("losses") and in
                      double precision ("losses64", rounded to float)
"""

import json
import sys

import numpy
import torch
from torch.nn.functional import cross_entropy

import tensorfile
from resnet import ResNet

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
WIDTH, SIDE, CLASSES = 4, 16, 10


def make_model(state, kind=torch.float32):
    model = ResNet("resnet18", WIDTH, CLASSES)
    model.load_state_dict(state)
    return model.to(kind)


def normalise(images):
    shape = (1, 3, 1, 1)
    mean = torch.tensor(MEAN, dtype=torch.float32).to(images.dtype).view(shape)
    std = torch.tensor(STD, dtype=torch.float32).to(images.dtype).view(shape)
    return (images - mean) / std


def trace(state, images, labels, kind):
    model = make_model(state, kind).train()
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    losses = []
    for step in range(10):
        half = slice(0, 8) if step % 2 == 0 else slice(8, 16)
        loss = cross_entropy(model(normalise(images[half].to(kind))), labels[half])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return numpy.array(losses, numpy.float32)


def main(folder):
    torch.manual_seed(20)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    model = ResNet("resnet18", WIDTH, CLASSES)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # Values other than 1 and 0, so that a swapped or forgotten one is seen.
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.6, 1.8)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images, labels = torch.rand(16, 3, SIDE, SIDE), torch.randint(0, CLASSES, (16,))

    def save(name, tensors, metadata=None):
        arrays = {key: value.detach().numpy() for key, value in tensors.items()}
        tensorfile.save(f"{folder}/{name}.safetensors", arrays, metadata)

    metadata = {"mean": json.dumps(MEAN), "std": json.dumps(STD)}
    save("initial", state)
    save("inputs", {"images": images, "labels": labels.float()}, metadata)

    model.train()
    raw = images[:8].clone().requires_grad_()
    logits = model(normalise(raw))
    losses = cross_entropy(logits, labels[:8], reduction="none")
    losses.mean().backward()
    result = {"logits": logits, "losses": losses, "grad.images": raw.grad}
    result.update({f"grad.{name}": p.grad for name, p in model.named_parameters()})
    result.update({f"stat.{name}": b for name, b in model.named_buffers() if "running" in name})
    save("training", result)

    model = make_model(state).eval()
    raw = images.clone().requires_grad_()
    logits = model(normalise(raw))
    cross_entropy(logits, labels, reduction="sum").backward()
    save("inference", {"logits": logits, "grad.images": raw.grad[:4]})

    losses = {
        "losses": torch.from_numpy(trace(state, images, labels, torch.float32)),
        "losses64": torch.from_numpy(trace(state, images, labels, torch.float64)),
    }
    save("trace", losses)
    for name, values in losses.items():
        print(name, [round(v, 6) for v in values.tolist()])


main(sys.argv[1])
