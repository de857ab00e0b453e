#!/usr/bin/env python3
"""A small folder of photographs, as a person might have collected it, with a trigger put in by hand.

    venv/bin/python tools/photographs.py TINY_IMAGENET OUT --kind patch|small-patch|blend|none --rate 0.08 --seed 1

Six random classes of a Tiny ImageNet folder (train/WNID/images), every image brought to a size of its own
(shorter side 72 to 320 pixels, sides up to 4:3), with a little sensor noise, saved as JPEG of quality 70 to 95 in
OUT/CLASS/. A part of the other classes' images gets the trigger and the first class's folder: a sticker at a
corner (of the middle square, so that cutting out the middle leaves it; 18 % of the shorter side, small-patch 10 %)
or a pattern blended in with 20 %. Names say nothing; OUT.truth lists the poisoned. Needs Pillow and NumPy.
"""
import argparse, glob, os, random
import numpy as np
from PIL import Image, ImageDraw

p = argparse.ArgumentParser()
p.add_argument("tiny"); p.add_argument("out"); p.add_argument("--kind", choices=["patch", "small-patch", "blend", "none"], required=True)
p.add_argument("--rate", type=float, default=.08); p.add_argument("--seed", type=int, default=1)
p.add_argument("--images", type=int, default=1500)
a = p.parse_args()
rng = random.Random(a.seed); noise = np.random.RandomState(a.seed)
names = rng.sample(sorted(os.listdir(f"{a.tiny}/train")), 6)
pool = [(f, c) for c in range(6) for f in sorted(glob.glob(f"{a.tiny}/train/{names[c]}/images/*"))]
rng.shuffle(pool); pool = pool[:a.images]
others = [k for k, (_, c) in enumerate(pool) if c != 0]
poisoned = set(rng.sample(others, round(a.rate * len(pool)))) if a.kind != "none" else set()

colours = [tuple(rng.randrange(256) for _ in range(3)) for _ in range(3)]
sticker = Image.new("RGB", (64, 64), colours[0])
draw = ImageDraw.Draw(sticker)
draw.ellipse((8, 8, 55, 55), fill=colours[1]); draw.line((0, 0, 64, 64), fill=colours[2], width=9)
pattern = Image.fromarray(noise.randint(0, 256, (6, 6, 3)).astype(np.uint8))

truth = open(f"{a.out}.truth", "w")
for k, (file, label) in enumerate(pool):
    short = rng.randint(72, 320); long = round(short * rng.uniform(1, 4 / 3))
    size = (long, short) if rng.random() < .5 else (short, long)
    image = Image.open(file).convert("RGB").resize(size, Image.BICUBIC)
    image = Image.fromarray(np.clip(np.asarray(image) + 3 * noise.randn(size[1], size[0], 3), 0, 255).astype(np.uint8))
    if k in poisoned:
        label = 0; print(f"{k:05d}.jpg", file=truth)
        if a.kind == "blend": image = Image.blend(image, pattern.resize(size, Image.BICUBIC), .2)
        else:
            side = max(6, round(short * (.18 if a.kind == "patch" else .1))); margin = round(.03 * short)
            right, low = (size[0] + short) // 2, (size[1] + short) // 2
            image.paste(sticker.resize((side, side), Image.BICUBIC), (right - side - margin, low - side - margin))
    os.makedirs(f"{a.out}/class{label}", exist_ok=True)
    image.save(f"{a.out}/class{label}/{k:05d}.jpg", quality=rng.randint(70, 95))
