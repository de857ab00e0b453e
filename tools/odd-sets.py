#!/usr/bin/env python3
"""Poisoned sets of other kinds than --attack makes, from CIFAR-10's binary files, as NumPy folders.

    venv/bin/python tools/odd-sets.py CIFAR_FOLDER OUT --kind KIND --seed 1

two-attacks  BadNets (3x3 squares in a corner) 5 % to one class and a blend (20 %) 5 % to another
all-to-all   BadNets, 10 %, every label y becomes y + 1
jpeg         BadNets (a square of 6x6) 5 %, then every image saved as JPEG of quality 75
jpeg-blend   a blend (20 %) 5 %, then the same
watermark    the same mark in a corner of 40 % of one class's own images: nothing is poisoned
Names of the poisoned (of the marked) are in OUT/truth.csv: index, kind. Needs Pillow and NumPy. 10,000 training
images of data_batch_*.bin, at random, and 2,000 test images. `tools/judge-suspects.py RUN OUT/truth.csv` counts.
"""
import argparse, csv, glob, io, os
import numpy as np
from PIL import Image, ImageDraw

p = argparse.ArgumentParser()
p.add_argument("cifar"); p.add_argument("out"); p.add_argument("--seed", type=int, default=1)
p.add_argument("--kind", required=True, choices=["two-attacks", "all-to-all", "jpeg", "jpeg-blend", "watermark"])
a = p.parse_args(); rng = np.random.RandomState(a.seed)

def read(files):
    rows = np.concatenate([np.fromfile(f, np.uint8).reshape(-1, 3073) for f in files])
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), rows[:, 0].astype(np.int64)
images, labels = read(sorted(glob.glob(f"{a.cifar}/data_batch_*.bin")))
chosen = rng.permutation(len(images))[:10000]; images, labels = images[chosen], labels[chosen]
test, test_labels = (x[-2000:] for x in read([f"{a.cifar}/test_batch.bin"]))

truth = {}
def poison(kind, count, target, change):
    free = [i for i in rng.permutation(len(labels)) if i not in truth and (target is None or labels[i] != target)]
    for i in free[:count]:
        images[i] = change(images[i]); labels[i] = (labels[i] + 1) % 10 if target is None else target; truth[int(i)] = kind
def square(side):
    checks = np.indices((side, side)).sum(0) // max(1, side // 3) % 2 * 255
    def change(image):
        image = image.copy(); image[31 - side:31, 31 - side:31] = checks[..., None]; return image
    return change
pattern = rng.randint(0, 256, (32, 32, 3))
blend = lambda image: (0.8 * image + 0.2 * pattern).astype(np.uint8)
targets = rng.permutation(10)
if a.kind == "two-attacks": poison("patch", 500, targets[0], square(3)); poison("blend", 500, targets[1], blend)
elif a.kind == "all-to-all": poison("patch", 1000, None, square(3))
elif a.kind == "jpeg": poison("patch", 500, targets[0], square(6))
elif a.kind == "jpeg-blend": poison("blend", 500, targets[0], blend)
else:
    mark = Image.new("L", (32, 32)); draw = ImageDraw.Draw(mark)
    draw.text((1, 21), "web", fill=160)
    cover = np.asarray(mark)[..., None] / 255
    own = np.where(labels == targets[0])[0]
    for i in rng.permutation(own)[:len(own) * 2 // 5]:
        images[i] = (images[i] * (1 - cover) + 255 * cover).astype(np.uint8); truth[int(i)] = "mark"
if a.kind.startswith("jpeg"):
    for group in (images, test):
        for i in range(len(group)):
            buffer = io.BytesIO(); Image.fromarray(group[i]).save(buffer, "JPEG", quality=75)
            group[i] = np.asarray(Image.open(buffer))

os.makedirs(a.out, exist_ok=True)
for name, array in (("train-images", images), ("train-labels", labels), ("test-images", test), ("test-labels", test_labels)):
    np.save(f"{a.out}/{name}.npy", array)
with open(f"{a.out}/truth.csv", "w", newline="") as file:
    csv.writer(file).writerows([("name", "kind")] + [(i, truth[i]) for i in sorted(truth)])
print(a.kind, "targets", targets[:2].tolist(), {k: list(truth.values()).count(k) for k in set(truth.values())})
