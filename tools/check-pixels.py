"""Checks that image files become the pixels that torchvision's transformations give.

    python3 -m venv venv && venv/bin/pip install torch torchvision numpy 'pillow<12'
    venv/bin/python tools/check-pixels.py .build/release/meca-dist [--images 24] [--seed 1]

Makes folders of images of random sizes, lets `meca-dist pack` bring them to a size, and compares the
packed bytes with

    cover    Resize(N), CenterCrop(N)
    margin   Resize(8/7 N), CenterCrop(N)
    stretch  Resize((N, N))

of torchvision on Pillow's images, after Pillow's exif_transpose, an alpha channel laid on white and
convert("RGB"). Prints a line for each kind of file and way of fitting; exit status 0 when all pixels
agree but for those of the kinds that `--may-differ` names.
"""

import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy
from PIL import Image, ImageOps
from torchvision import transforms

KINDS = {
    "jpeg": dict(mode="RGB", ending="jpg", quality=90),
    "jpeg-444-progressive": dict(
        mode="RGB", ending="jpg", quality=90, subsampling=0, progressive=True
    ),
    "jpeg-grey": dict(mode="L", ending="jpg"),
    "jpeg-turned": dict(mode="RGB", ending="jpg", turned=True),
    "png": dict(mode="RGB", ending="png"),
    "png-grey": dict(mode="L", ending="png"),
    "png-palette": dict(mode="P", ending="png"),
    "png-alpha": dict(mode="RGBA", ending="png"),
    "webp": dict(mode="RGB", ending="webp", quality=80),
    "webp-lossless": dict(mode="RGB", ending="webp", lossless=True),
}
FITS = {"cover": (32, 64), "margin": (56,), "stretch": (32,)}
ORIENTATION = 0x0112


def picture(random, mode):
    """Smooth colours with noise, as photographs have them, of a random size."""
    height, width = random.integers(20, 300, 2)
    bands = {"L": 1, "RGBA": 4}.get(mode, 3)
    small = random.integers(0, 256, (5, 5, bands)).astype(numpy.uint8)
    planes = [
        numpy.asarray(Image.fromarray(small[:, :, band]).resize((width, height)), dtype=float)
        for band in range(bands)
    ]
    values = numpy.stack(planes, -1) + random.normal(0, 12, (height, width, bands))
    values = values.clip(0, 255).astype(numpy.uint8)
    image = Image.fromarray(values[:, :, 0] if bands == 1 else values)
    return image.quantize(64) if mode == "P" else image


def write(random, folder, kind, count):
    options = dict(KINDS[kind])
    mode, ending = options.pop("mode"), options.pop("ending")
    turned = options.pop("turned", False)
    for split in ("train", "test"):
        for name in ("a", "b"):
            place = folder / split / name
            place.mkdir(parents=True)
            for index in range(count // 4):
                image = picture(random, mode)
                if turned:
                    exif = Image.Exif()
                    exif[ORIENTATION] = 1 + index % 8
                    options["exif"] = exif
                image.save(place / f"{index}.{ending}", **options)


def expected(path, fit, size):
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    steps = {
        "cover": [transforms.Resize(size), transforms.CenterCrop(size)],
        "margin": [transforms.Resize(size * 8 // 7), transforms.CenterCrop(size)],
        "stretch": [transforms.Resize((size, size))],
    }[fit]
    return numpy.asarray(transforms.Compose(steps)(image)).transpose(2, 0, 1)


def packed(path):
    """Path and pixels of every sample of a packed file."""
    data = path.read_bytes()
    place = struct.unpack_from("<Q", data, 16)[0]
    length = struct.unpack_from("<Q", data, place)[0]
    text = json.loads(data[place + 8 : place + 8 + length])
    shape = text["facts"]["image_shape"]
    extents = shape["channels"], shape["height"], shape["width"]
    size = extents[0] * extents[1] * extents[2]
    place, pixels = place + 8 + length, 4096
    for part in text["parts"]:
        count = part["count"]
        place += 4 * count
        ends = struct.unpack_from(f"<{count}Q", data, place)
        place += 8 * count
        block = max(1, (1 << 20) // size)
        for index in range(count):
            name = data[place + (ends[index - 1] if index else 0) : place + ends[index]].decode()
            yield name, numpy.frombuffer(data, numpy.uint8, size, pixels).reshape(extents)
            pixels += size
        place += (ends[-1] if count else 0) + 32 * -(-count // block)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("program")
    arguments.add_argument("--images", type=int, default=24, help="of each kind; a multiple of 4")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--may-differ", nargs="*", default=[], choices=KINDS)
    given = arguments.parse_args()
    random = numpy.random.default_rng(given.seed)
    equal = total = wrong = 0
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as home:
            home = pathlib.Path(home)
            write(random, home / "set", kind, given.images)
            for fit, sizes in FITS.items():
                for size in sizes:
                    file = home / f"{fit}-{size}.meca"
                    command = [given.program, "pack", "--dataset", "folder", "--data", home / "set"]
                    command += ["--image-size", str(size), "--image-fit", fit, "--output", file]
                    subprocess.run(command, check=True, capture_output=True)
                    same, worst, seen = 0, 0, 0
                    for name, pixels in packed(file):
                        wanted = expected(home / "set" / name, fit, size)
                        difference = int(abs(pixels.astype(int) - wanted).max())
                        same, worst, seen = same + (difference == 0), max(worst, difference), seen + 1
                    print(f"{kind:22} {fit:8} {size:4}  {same} of {seen} equal, worst {worst} of 255")
                    equal, total = equal + same, total + seen
                    wrong += (seen - same) if kind not in given.may_differ else 0
    print(f"{equal} of {total} images equal")
    return 1 if wrong or total == 0 else 0


sys.exit(main())
