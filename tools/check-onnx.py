#!/usr/bin/env python3
"""Checks exported networks with the real readers: onnx.checker and onnxruntime.

    tools/check-onnx.py PROGRAM

Needs numpy, onnx, onnxruntime, pandas and pillow (Tests/Readers/requirements.txt). For every network and
stem the program trains a thin model for some steps on its built-in images, exports it and evaluates it;
then also with the toolboxes' names, and for weights without a word of this program on them, with a
stride and a pooling that their options say.

logits         onnxruntime, asked for 1, for 7 and for all images at once, must give the logits that
               `evaluate --logits` wrote for the same images
probabilities  of the test images' PNG files, decoded by Pillow, must be those of `predict`, which prints
               four digits

Tolerance for logits: 1e-4 of the largest one (of 1 where that is smaller). Both sides add in float32 in
other orders, through up to 53 layers; that gives some 1e-6, while a wrong padding, stride or addition
gives other logits altogether. Tolerance for probabilities: half of the last printed digit, and the same
1e-4. Exit status 1 if anything differs.
"""

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
import pandas
from PIL import Image

import tensorfile

TOLERANCE = 1e-4
PRINTED = 0.5e-4
SETS = ["--train-limit", "96", "--test-limit", "40"]
PREDICTED = 40


class Check:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.faults = 0
        self.run("poison", "--dataset", "shapes", *SETS, "--attack", "badnets", "--poison-rate", "0.1",
                 "--format", "png", "--output", self.folder / "set")  # fmt: skip
        self.pictures = self.folder / "set" / "test"

    def run(self, *arguments):
        command = [self.program, *map(str, arguments)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{result.stderr}")
        return result.stdout

    def train(self, architecture, width, stem, names="torchvision"):
        run = self.folder / f"{architecture}-{stem}-{names}"
        # A tenth of the first running statistics is left after 24 steps; of MobileNetV2 with more of them
        # all images would have the same logits.
        epochs = 8 if architecture == "mobilenetv2" else 4
        self.run("train", "--dataset", "shapes", *SETS, "--attack", "none", "--model", architecture,
                 "--width", width, "--stem", stem, "--tensor-names", names, "--defense", "none",
                 "--no-oracle", "--epochs", epochs, "--batch", "32", "--quiet", "--output", run)  # fmt: skip
        return run / "model.safetensors"

    def session(self, path):
        onnx.checker.check_model(onnx.load(path), full_check=True)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def verdict(self, what, difference, allowed):
        equal = difference <= allowed
        self.faults += not equal
        print(f"{'equal' if equal else 'DIFFERENT'}: {what}: {difference:.1e} of {allowed:.1e}", flush=True)

    def compare(self, title, model, options=()):
        """One model file: our logits and probabilities against onnxruntime's."""
        target, logits_path = self.folder / "model.onnx", self.folder / "logits.safetensors"
        self.run("export", model, "--onnx", target, "--force", *options)
        evaluation = [word for word in options if word not in ("--image-size", "32")]
        self.run("evaluate", "--weights", model, "--dataset", "shapes", *SETS, "--attack", "none",
                 "--logits", logits_path, *evaluation)  # fmt: skip
        session = self.session(target)
        values, _ = tensorfile.load(logits_path)
        images, expected = values["images"], values["logits"]
        scale = max(1.0, float(numpy.abs(expected).max()))
        spread = float(numpy.abs(expected - expected.mean(axis=0)).max())
        if not spread > 1e-2 * scale:
            sys.exit(f"{title}: all images have the same logits; the check would see nothing")
        for batch in (1, 7, len(images)):
            pieces = [images[place : place + batch] for place in range(0, len(images), batch)]
            found = numpy.concatenate([session.run(["logits"], {"images": piece})[0] for piece in pieces])
            difference = float(numpy.abs(found - expected).max()) / scale
            self.verdict(f"{title}, logits in batches of {batch}", difference, TOLERANCE)
        self.compare_predictions(title, model, session, options)

    def compare_predictions(self, title, model, session, options):
        table = self.folder / "predictions.csv"
        sides = () if "--image-size" in options else ("--image-size", "32")
        self.run("predict", model, self.pictures, "--output", table, *sides, *options)
        rows = pandas.read_csv(table)
        if list(rows.columns) != ["path", "class", "probability"] or len(rows) != PREDICTED:
            sys.exit(f"{title}: predict wrote {len(rows)} rows of {list(rows.columns)}")
        metadata = session.get_modelmeta().custom_metadata_map
        names = json.loads(metadata["class_names"])
        images = numpy.stack(
            [numpy.asarray(Image.open(path).convert("RGB"), "float32").transpose(2, 0, 1) / 255
             for path in rows["path"]])  # fmt: skip
        (found,) = session.run(["probabilities"], {"images": images})
        classes = numpy.array([names.index(name) for name in rows["class"]])
        own = found[numpy.arange(len(rows)), classes]
        self.verdict(
            f"{title}, probabilities of {len(rows)} PNG files",
            float(numpy.abs(own - rows["probability"]).max()), PRINTED + TOLERANCE,
        )  # fmt: skip
        # Another class may only be as probable.
        self.verdict(f"{title}, classes", float((found.max(axis=1) - own).max()), TOLERANCE)

    def all(self):
        networks = itertools.product(("resnet18", "resnet34", "mobilenetv2"), ("small", "imagenet"))
        models = {}
        for architecture, stem in networks:
            width = 16 if architecture == "mobilenetv2" else 6
            model = models[architecture, stem] = self.train(architecture, width, stem)
            self.compare(f"{architecture}, {stem} stem", model)
        self.compare("resnet18, toolboxes' names", self.train("resnet18", 6, "small", "cifar"))
        # As PyTorch would save the same numbers, for networks that differ in strides and pooling.
        tensors, metadata = tensorfile.load(models["resnet18", "small"])
        foreign = self.folder / "foreign.safetensors"
        tensorfile.save(foreign, tensors)
        numbers = {key: ",".join(map(str, json.loads(metadata[key]))) for key in ("mean", "std")}
        scale = ["--image-size", "32", "--mean", numbers["mean"], "--std", numbers["std"]]
        for stride, pooling in ((1, "max"), (2, "none")):
            self.compare(
                f"resnet18 without metadata, stride {stride}, pooling {pooling}", foreign,
                [*scale, "--stem-stride", str(stride), "--stem-pooling", pooling],
            )  # fmt: skip
        return self.faults


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        faults = Check(sys.argv[1], folder).all()
    print("everything is equal" if faults == 0 else f"{faults} differences")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
