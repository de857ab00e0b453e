"""Checks that models of torchvision and timm are read, and that a run starts from them.

    python3 -m venv venv && venv/bin/pip install torch torchvision timm safetensors numpy
    venv/bin/python tools/check-init.py .build/release/meca-dist
    venv/bin/python tools/check-init.py --names > Tests/MecaNNTests/Golden/timm-mobilenetv2.txt

For every network of both libraries that the program knows, as torch.save and as safetensors write it,
with made-up weights and statistics:
logits   `evaluate` gives the library's own logits for the program's images
start    after `train --init FILE` at a learning rate of 1e-30, everything below the classifier has
         the file's weights, and the classifier others
The second form prints the names of timm's MobileNetV2 beside torchvision's.

Exit status 0 when no logit differs by more than 1e-4 (relative to the largest one, where that is above
1) and every weight is there, 1 otherwise.
"""

import pathlib
import subprocess
import sys
import tempfile

import safetensors.torch
import torch

if subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True).returncode:
    # torchvision's builds for other hardware import without their operators once these are declared.
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
import timm
import torchvision

CLASSES = 10
TOLERANCE = 1e-4
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
NETWORKS = [
    ("torchvision", "resnet18", "resnet18", lambda: torchvision.models.resnet18(num_classes=CLASSES)),
    ("torchvision", "resnet34", "resnet34", lambda: torchvision.models.resnet34(num_classes=CLASSES)),
    ("torchvision", "mobilenet_v2", "mobilenetv2",
     lambda: torchvision.models.mobilenet_v2(num_classes=CLASSES)),
    ("timm", "resnet18", "resnet18", lambda: timm.create_model("resnet18", num_classes=CLASSES)),
    ("timm", "resnet34", "resnet34", lambda: timm.create_model("resnet34", num_classes=CLASSES)),
    ("timm", "mobilenetv2_100", "mobilenetv2",
     lambda: timm.create_model("mobilenetv2_100", num_classes=CLASSES)),
]


def names():
    theirs = timm.create_model("mobilenetv2_100").state_dict()
    ours = torchvision.models.mobilenet_v2().state_dict()
    for (one, mine), (other, yours) in zip(theirs.items(), ours.items(), strict=True):
        assert mine.shape == yours.shape, (one, other)
        print(one, other)


def made_up(model):
    """Statistics and scales that are not 1 and 0, so that a swapped one is seen."""
    torch.manual_seed(5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.7, 1.3)
            module.bias.data.uniform_(-0.2, 0.4)
    with torch.no_grad():
        model.train()
        for _ in range(30):
            model(torch.randn(16, 3, 32, 32))
    return model.eval()


def run(program, *arguments):
    outcome = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if outcome.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {outcome.stderr}")
    return outcome


def check(program, library, name, architecture, model, folder):
    state = model.state_dict()
    files = [folder / f"{library}-{name}.pth", folder / f"{library}-{name}.safetensors"]
    torch.save(state, files[0])
    safetensors.torch.save_file(state, files[1])
    fine = True
    for file in files:
        logits = folder / "logits.safetensors"
        options = ["--stem", "imagenet"] if architecture == "mobilenetv2" else []
        run(program, "evaluate", "--weights", file, "--test-limit", 64, "--logits", logits,
            "--mean", ",".join(map(str, IMAGENET[0])), "--std", ",".join(map(str, IMAGENET[1])),
            *options)
        found = safetensors.torch.load_file(logits)
        mean, deviation = (torch.tensor(v).reshape(1, 3, 1, 1) for v in IMAGENET)
        with torch.no_grad():
            own = model((found["images"] - mean) / deviation)
        worst = ((own - found["logits"]).abs().max() / max(1, own.abs().max())).item()
        output = folder / (file.name + "-run")
        told = run(program, "--init", file, "--model", architecture, "--stem", "imagenet",
                   "--width", 32 if architecture == "mobilenetv2" else 64, "--train-limit", 64,
                   "--test-limit", 64, "--epochs", 1, "--learning-rate", "1e-30", "--defense", "none",
                   "--no-oracle", "--output", output).stderr
        after = safetensors.torch.load_file(output / "model.safetensors")
        same = changed = 0
        twin = getattr(torchvision.models, "mobilenet_v2" if architecture == "mobilenetv2" else architecture)
        ours = dict(zip(state, twin().state_dict(), strict=True))
        for key, value in state.items():
            if "running_" in key or "num_batches" in key:
                continue
            own = after[ours[key]]
            # A weight of 0 takes a step of 1e-30 times its gradient.
            equal = value.shape == own.shape and (value - own).abs().max() < 1e-20
            if key.startswith(("fc.", "classifier.")):
                changed += not equal
            elif equal:
                same += 1
            else:
                print(f"  {key} is not the file's")
                fine = False
        fine &= worst <= TOLERANCE and changed == 2 and "new classifier for 10 classes" in told
        print(f"{file.name}: logits differ by {worst:.1e}; {same} tensors taken, {changed} new")
    return fine


def main():
    if sys.argv[1:] == ["--names"]:
        return names()
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        results = [
            check(sys.argv[1], library, name, architecture, made_up(make()), pathlib.Path(folder))
            for library, name, architecture, make in NETWORKS
        ]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
