"""Checks that backdoor-toolbox and BackdoorBench read the sets that `meca-dist poison` writes for them.

    python3 -m venv venv && venv/bin/pip install torch torchvision numpy pillow tqdm
    venv/bin/python tools/check-toolbox-sets.py PROGRAM --torch
    venv/bin/python tools/check-toolbox-sets.py PROGRAM --toolbox CHECKOUT
    venv/bin/python tools/check-toolbox-sets.py PROGRAM --bench CHECKOUT

CHECKOUT is a folder with the code of https://github.com/vtu81/backdoor-toolbox or of
https://github.com/SCLBD/BackdoorBench, which is not part of this repository; of the first utils/tools.py
(class IMG_Dataset) is used, of the second utils/bd_dataset_v2.py (class prepro_cls_DatasetBD_v2). The
program writes the built-in images under TaCT, which has poisons and covers, in the toolbox's layout and as
NumPy arrays; every image, label and index must be the same. --torch needs no checkout and no torchvision: it
opens all files of both layouts with PyTorch alone (1.13 and later), those of backdoor-toolbox with
weights_only=True, and tests the archives with Python's zipfile.

Exit status 0 when everything is equal; otherwise an AssertionError says what is not.
"""

import inspect
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import zipfile

import numpy
import torch

ATTACK = ["--attack", "tact", "--poison-rate", "0.05", "--cover-rate", "0.04", "--seed", "3"]


def poison(program, *arguments):
    subprocess.run([program, "poison", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def arrays(folder):
    """The written NumPy set; images as [N, H, W, 3]."""
    result = {path.stem: numpy.load(path) for path in folder.glob("*.npy")}
    for name in list(result):
        if name.endswith("-images") and result[name].shape[1] == 3:
            result[name] = result[name].transpose(0, 2, 3, 1)
    return result


def the_toolbox_set(program, root, limits):
    """backdoor-toolbox's layout of the built-in images, and the same as arrays."""
    poison(program, *ATTACK, *limits, "--format", "backdoor-toolbox", "--output", root / "toolbox")
    poison(program, *ATTACK, *limits, "--format", "npy", "--output", root / "arrays")
    (train,) = (root / "toolbox/poisoned_train_set").glob("*/*")
    (test,) = (root / "toolbox/clean_set").glob("*/test_split")
    return train, test, arrays(root / "arrays")


def the_record(program, root, limits):
    """A record of BackdoorBench over clean arrays, those, and the poisoned ones."""
    poison(program, "--attack", "none", *limits, "--format", "npy", "--output", root / "clean")
    source = ["--dataset", "npy", "--data", root / "clean"]
    poison(program, *source, *ATTACK, "--format", "backdoorbench", "--output", root / "record/tact")
    poison(program, *source, *ATTACK, "--format", "npy", "--output", root / "arrays")
    return root / "record/tact", arrays(root / "clean"), arrays(root / "arrays")


def check_toolbox(program, checkout, root, limits):
    train, test, expected = the_toolbox_set(program, root, limits)
    sys.path.insert(0, os.path.abspath(checkout))
    for name in ("config", "utils.supervisor"):
        # Not needed by the class; a checkout of utils/tools.py alone does.
        if not (pathlib.Path(checkout) / (name.replace(".", "/") + ".py")).exists():
            sys.modules[name] = types.ModuleType(name)
    import torchvision
    from utils.tools import IMG_Dataset

    transforms = torchvision.transforms.Compose([torchvision.transforms.ToTensor()])
    for images, labels, name in [
        (train / "imgs", train / "labels", "train"), (test / "data", test / "labels", "test"),
    ]:
        dataset = IMG_Dataset(data_dir=str(images), label_path=str(labels), transforms=transforms)
        assert len(dataset) == len(expected[f"{name}-labels"])
        for index in range(len(dataset)):
            image, label = dataset[index]
            assert image.dtype == torch.float32
            own = torchvision.transforms.functional.to_tensor(expected[f"{name}-images"][index])
            assert torch.equal(image, own), (name, index)
            assert int(label) == expected[f"{name}-labels"][index], (name, index)
        print(f"{name}: {len(dataset)} samples of IMG_Dataset are equal")
    for name, role in (("poison_indices", 1), ("cover_indices", 2)):
        found = torch.load(train / name)
        assert list(found) == list(numpy.where(expected["train-roles"] == role)[0]), name
        print(f"{name}: {len(found)} are equal")


def check_bench(program, checkout, root, limits):
    record, clean, expected = the_record(program, root, limits)
    sys.path.insert(0, os.path.abspath(checkout))
    os.chdir(root)  # BackdoorBench's paths begin at its own folder.
    from PIL import Image
    from utils.bd_dataset_v2 import prepro_cls_DatasetBD_v2

    result = torch.load(record / "attack_result.pt", weights_only=False)
    assert result["num_classes"] == 10 and result["img_size"] == (32, 32, 3)
    sets = {}
    for name in ("train", "test"):
        pairs = [(Image.fromarray(image), int(label)) for image, label in
                 zip(clean[f"{name}-images"], clean[f"{name}-labels"])]
        sets[name] = prepro_cls_DatasetBD_v2(pairs)
        sets[name].set_state(result[f"bd_{name}"])
    roles, originals = expected["train-roles"], expected["train-original-labels"]
    assert len(sets["train"]) == len(roles)
    for index, (image, label, number, changed, original) in enumerate(sets["train"]):
        assert number == index and changed == (roles[index] != 0)
        assert numpy.array_equal(numpy.asarray(image), expected["train-images"][index]), index
        assert label == expected["train-labels"][index] and original == originals[index]
    print(f"train: {len(roles)} samples of prepro_cls_DatasetBD_v2 are equal")
    target = set(expected["train-labels"][roles == 1])
    assert len(target) == 1
    triggered = expected["test-triggered-images"]
    assert len(sets["test"]) == len(triggered)
    for index, (image, label, number, changed, original) in enumerate(sets["test"]):
        assert changed == 1 and label in target and original == clean["test-labels"][number]
        assert numpy.array_equal(numpy.asarray(image), triggered[index]), index
    print(f"test: {len(triggered)} triggered samples are equal")
    indicator = torch.load(record / "train_poison_index_list.pickle", weights_only=False)
    assert indicator.dtype == numpy.float64 and numpy.array_equal(indicator, roles == 1)


def check_torch(program, root, limits):
    train, test, expected = the_toolbox_set(program, root / "a", limits)
    images = torch.load(train / "imgs", weights_only=True)
    own = torch.from_numpy(expected["train-images"].transpose(0, 3, 1, 2).copy())
    assert images.dtype == torch.float32 and torch.equal(images, own.float() / 255)
    for folder, name in ((train, "train"), (test, "test")):
        labels = torch.load(folder / "labels", weights_only=True)
        assert labels.dtype == torch.int64
        assert numpy.array_equal(labels.numpy(), expected[f"{name}-labels"])
    torch.load(train / "poison_indices", weights_only=True)
    if "mmap" in inspect.signature(torch.load).parameters:
        assert torch.equal(torch.load(train / "imgs", weights_only=True, mmap=True), images)
    record, _, _ = the_record(program, root / "b", limits)
    torch.load(record / "attack_result.pt", weights_only=False)
    archives = [train / "imgs", train / "labels", train / "poison_indices", test / "labels",
                record / "attack_result.pt", record / "train_poison_index_list.pickle"]
    for path in archives:
        assert zipfile.ZipFile(path).testzip() is None, path
    print(f"PyTorch {torch.__version__} reads all files; {len(archives)} archives are whole")


def main():
    arguments = sys.argv[1:]
    if len(arguments) < 2 or arguments[1] not in ("--torch", "--toolbox", "--bench"):
        sys.exit(__doc__)
    program = os.path.abspath(arguments[0])
    # The toolbox takes a path with "data" in it for one of its old layout.
    with tempfile.TemporaryDirectory(prefix="meca-") as folder:
        root = pathlib.Path(folder)
        limits = ["--train-limit", "600", "--test-limit", "100"]
        if arguments[1] == "--torch":
            check_torch(program, root, limits)
        elif len(arguments) != 3:
            sys.exit(__doc__)
        elif arguments[1] == "--toolbox":
            check_toolbox(program, arguments[2], root, limits)
        else:
            check_bench(program, arguments[2], root, limits)


if __name__ == "__main__":
    main()
