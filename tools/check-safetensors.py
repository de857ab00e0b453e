"""Checks that models go to PyTorch and come from it, and compute the same logits on both sides.

    python3 -m venv venv && venv/bin/pip install torch safetensors numpy
    venv/bin/python tools/check-safetensors.py RUN/model.safetensors logits.safetensors
    venv/bin/python tools/check-safetensors.py --program .build/release/meca-dist [--data FOLDER]

The first form checks one run's model. The second file holds `images` [N, 3, H, W] in [0, 1] and the
`logits` [N, classes] that `meca-dist evaluate --logits` computed for them. Loading is strict: every
name and every shape must agree with the network of resnet.py or mobilenet.py.

The second form checks both directions for every network, stem and scheme of names:
to PyTorch    the program trains a model for two epochs and PyTorch loads it strictly
from PyTorch  PyTorch saves the state dictionary of a network of its own with safetensors, without any
              metadata, and the program evaluates it
on the program's built-in images, or on the CIFAR-10 in FOLDER. Where torchvision is installed, its own
networks (which have the paper's widths and the ImageNet stem) must load the same files strictly and
give the same logits as resnet.py and mobilenet.py, bit for bit or nearly so.

Exit status 0 when no logit differs by more than 1e-4 (relative to the largest one, where that is above
1), 1 otherwise.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import torch

import tensorfile
from mobilenet import MobileNetV2
from resnet import ResNet

TOLERANCE = 1e-4


def network(architecture, width, classes, stem, names="torchvision"):
    if architecture == "mobilenetv2":
        return MobileNetV2(width, classes, stem)
    return ResNet(architecture, width, classes, stem, names)


def torchvision_models():
    """torchvision.models, or None where it is not installed.

    A build without compiled operators is enough; only the names of two are asked for.
    """
    try:
        import torchvision.models
    except ImportError:
        return None
    except RuntimeError:
        for name in ("nms", "qnms"):
            schema = "(Tensor boxes, Tensor scores, float threshold) -> Tensor"
            torch.library.define(f"torchvision::{name}", schema)
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torchvision.models
    return sys.modules["torchvision.models"]


def torchvision_network(architecture, width, classes, stem, names):
    """torchvision's own network; None where it has none of this kind."""
    models = torchvision_models()
    usual = 32 if architecture == "mobilenetv2" else 64
    if models is None or stem != "imagenet" or names != "torchvision" or width != usual:
        return None
    make = "mobilenet_v2" if architecture == "mobilenetv2" else architecture
    return getattr(models, make)(num_classes=classes)


def compared(model, logits_path):
    """Largest difference of a network's logits from those in the file, relative to the largest."""
    values, metadata = tensorfile.load(logits_path)
    mean, std = (
        torch.tensor(json.loads(metadata[key])).view(1, 3, 1, 1) for key in ("mean", "std")
    )
    images, expected = (torch.from_numpy(values[key]) for key in ("images", "logits"))
    with torch.no_grad():
        logits = model.eval()((images - mean) / std)
    if logits.shape != expected.shape:
        sys.exit(f"shapes differ: {tuple(logits.shape)} here, {tuple(expected.shape)} there")
    scale = max(1.0, expected.abs().max().item())
    return (logits - expected).abs().max().item() / scale


def verdict(difference, text):
    equal = difference <= TOLERANCE
    print(f"{'equal' if equal else 'DIFFERENT'}: {text}, largest difference {difference:.2e}", flush=True)
    return equal


def check_file(model_path, logits_path):
    """One of our files in PyTorch."""
    tensors, metadata = tensorfile.load(model_path)
    state = {name: torch.from_numpy(array) for name, array in tensors.items()}
    architecture, width = metadata["architecture"], int(metadata["width"])
    stem, names = metadata.get("stem", "small"), metadata.get("tensor_names", "torchvision")
    classifier = "linear" if names == "cifar" else "fc"
    classes = len(state["classifier.1.bias" if architecture == "mobilenetv2" else f"{classifier}.bias"])
    text = f"{architecture} width {width}, {stem} stem, {names} names, {classes} classes"
    equal = True
    for kind, make in (("", network), ("torchvision's own ", torchvision_network)):
        model = make(architecture, width, classes, stem, names)
        if model is not None:
            model.load_state_dict(state, strict=True)
            equal &= verdict(compared(model, logits_path), f"to PyTorch: {kind}{text}")
    return equal


def settled(model):
    """Running statistics of real activations, so that the logits are no noise."""
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(4 * torch.rand(32, 3, 32, 32) - 2)
    return model.eval()


class Program:
    """The program under test, its images and a folder for what it writes."""

    def __init__(self, path, data, folder):
        self.path, self.folder = path, pathlib.Path(folder)
        self.images = ["--dataset", "cifar10", "--data", data] if data else ["--dataset", "shapes"]
        self.images += ["--train-limit", "128", "--test-limit", "64"]

    def run(self, *arguments):
        command = [self.path, *arguments, *self.images]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}\n{result.stderr}")

    def check(self, architecture, width, stem, names):
        run, logits = self.folder / "run", self.folder / "logits.safetensors"
        self.run(
            "train", "--model", architecture, "--width", str(width), "--stem", stem,
            "--tensor-names", names, "--defense", "none", "--no-oracle", "--epochs", "2",
            "--resume", "never", "--quiet", "--output", run,
        )  # fmt: skip
        self.run("evaluate", "--weights", run / "model.safetensors", "--logits", logits)
        equal = check_file(run / "model.safetensors", logits)

        import safetensors.torch

        torch.manual_seed(1)
        model = settled(network(architecture, width, 10, stem, names))
        foreign = self.folder / "foreign.safetensors"
        safetensors.torch.save_file(model.state_dict(), foreign)
        # Nothing in the tensors of a MobileNetV2 tells its strides.
        self.run("evaluate", "--weights", foreign, "--logits", logits, "--stem", stem)
        text = f"{architecture} width {width}, {stem} stem, {names} names"
        equal &= verdict(compared(model, logits), f"from PyTorch: {text}")
        return equal


def check_program(path, data):
    equal = True
    with tempfile.TemporaryDirectory() as folder:
        program = Program(path, data, folder)
        for architecture, stem in itertools.product(
            ("resnet18", "resnet34", "mobilenetv2"), ("small", "imagenet")
        ):
            for names in ("torchvision", "cifar"):
                if architecture == "mobilenetv2" and names == "cifar":
                    continue
                wide = stem == "imagenet" and names == "torchvision"
                width = 32 if architecture == "mobilenetv2" else 64 if wide else 16
                equal &= program.check(architecture, width, stem, names)
    return equal


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", help="a run's model.safetensors")
    parser.add_argument("logits", nargs="?", help="what evaluate --logits wrote")
    parser.add_argument("--program", help="meca-dist, to check both directions")
    parser.add_argument("--data", help="folder of CIFAR-10 in binary files")
    options = parser.parse_args()
    if options.program and not options.model:
        return check_program(options.program, options.data)
    if not options.logits or options.program:
        parser.error("wants MODEL and LOGITS, or --program")
    return check_file(options.model, options.logits)


sys.exit(0 if main() else 1)
