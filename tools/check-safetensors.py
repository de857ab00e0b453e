"""Checks that a run's model loads in PyTorch and computes the same logits there.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tools/check-safetensors.py RUN/model.safetensors logits.safetensors

The second file holds `images` [N, 3, H, W] in [0, 1] and the `logits` [N, classes] that meca-dist
computed for them in evaluation mode. Loading is strict: every name and every shape must agree with
torchvision's. Exit status 0 when no logit differs by more than 1e-4 (relative to the largest one,
where that is above 1), 1 otherwise.
"""

import json
import sys

import torch

import tensorfile
from mobilenet import MobileNetV2
from resnet import ResNet


def main(model_path, logits_path):
    tensors, metadata = tensorfile.load(model_path)
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    architecture, width = metadata["architecture"], int(metadata["width"])
    mobile = architecture == "mobilenetv2"
    classes = len(state["classifier.1.bias" if mobile else "fc.bias"])
    model = MobileNetV2(width, classes) if mobile else ResNet(architecture, width, classes)
    model.load_state_dict(state, strict=True)
    model.eval()
    mean, std = (
        torch.tensor(json.loads(metadata[key])).view(1, 3, 1, 1) for key in ("mean", "std")
    )
    values, _ = tensorfile.load(logits_path)
    images, expected = (torch.from_numpy(values[key]) for key in ("images", "logits"))
    with torch.no_grad():
        logits = model((images - mean) / std)
    if logits.shape != expected.shape:
        print(f"shapes differ: {tuple(logits.shape)} here, {tuple(expected.shape)} there")
        return 1
    scale = max(1.0, expected.abs().max().item())
    difference = (logits - expected).abs().max().item() / scale
    verdict = "equal" if difference <= 1e-4 else "DIFFERENT"
    print(f"{verdict}: {len(images)} images, {classes} classes, largest difference {difference:.2e}")
    return 0 if difference <= 1e-4 else 1


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1], sys.argv[2]))
