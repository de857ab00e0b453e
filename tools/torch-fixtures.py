"""Writes the files of torch.save that Tests/MecaDataTests reads without Python.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tools/torch-fixtures.py Tests/MecaDataTests/Fixtures

The files in the repository were made with torch 2.13 and NumPy 2.4. What they hold is written down a
second time in the tests.

tensors.pt     one tensor of each element type, views with other steps and offsets, two that share a
               storage, an empty one, a single number, a parameter; and plain values of each kind
state.pt       the bare state dictionary of a small module, as backdoor-toolbox saves models
checkpoint.pt  the same under "state_dict" with the prefix "module.", beside an optimiser's state
numpy.pt       NumPy arrays and numbers, as BackdoorBench's states have them
legacy.pt      state.pt in the format of before PyTorch 1.6, which is refused
toolbox/       a poisoned set of backdoor-toolbox (8 images of 3x4x4) and the labels of its clean set
bench/         a record of BackdoorBench without its PNG files: attack_result.pt and the index list
plain/         pickles of protocols 2 to 5 of the same plain values (no PyTorch, no NumPy)
"""

import collections
import os
import pickle
import sys

import numpy
import torch

ELEMENTS = {
    "float32": [0.5, -1.25, 3.0e38],
    "float64": [0.1, -1.0e300, 2.0],
    "float16": [0.5, -65504.0, 6.0e-8],
    "bfloat16": [1.0, -3.0e38, 0.0078125],
    "uint8": [0, 7, 255],
    "int8": [-128, 0, 127],
    "int16": [-32768, 1, 32767],
    "int32": [-2147483648, 2, 2147483647],
    "int64": [-9223372036854775808, 3, 9223372036854775807],
    "bool": [True, False, True],
}


def tensors():
    values = {name: torch.tensor(v, dtype=getattr(torch, name)) for name, v in ELEMENTS.items()}
    grid = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    values.update(
        {
            "grid": grid,
            "transposed": grid.transpose(0, 2),
            "slice": grid[1, 1:, ::2],
            "channelsLast": torch.arange(16.0).reshape(1, 2, 2, 4).contiguous(
                memory_format=torch.channels_last
            ),
            "empty": torch.zeros(0, 3),
            "number": torch.tensor(2.5),
            "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        }
    )
    return {
        "tensors": values,
        "plain": plain(),
        "size": torch.Size([2, 3]),
        "ordered": collections.OrderedDict([("b", 1), ("a", 2)]),
    }


def plain():
    shared = [1, 2]
    return {
        "none": None,
        "true": True,
        "false": False,
        "integers": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -(2**31), 2**40, -(2**40), 2**63 - 1],
        "huge": 2**70,
        "floats": [0.0, -0.5, 1e300],
        "text": "gr\u00fc\u00df",
        "bytes": b"\x00\xff\x80",
        "noBytes": b"",
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "set": {5},
        "frozen": frozenset([6]),
        "shared": [shared, shared],
        "nested": {"a": {"b": [{"c": 3}]}},
    }


def state():
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        collections.OrderedDict(
            conv1=torch.nn.Conv2d(3, 2, 3, bias=False),
            bn1=torch.nn.BatchNorm2d(2),
            linear=torch.nn.Linear(2, 3),
        )
    )
    with torch.no_grad():
        for index, value in enumerate(module.state_dict().values()):
            count = value.numel()
            value.copy_((torch.arange(count) + 10 * index).reshape(value.shape))
    return module


def checkpoint(module):
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    sum(p.sum() for p in module.parameters()).backward()
    optimiser.step()
    return {
        "epoch": 3,
        "state_dict": collections.OrderedDict(
            ("module." + name, value) for name, value in module.state_dict().items()
        ),
        "optimizer": optimiser.state_dict(),
        "best": torch.tensor(0.5),
    }


def toolbox(folder):
    """8 images of classes 0, 1, 2; sample 2 and 5 are poisons of target 1, sample 6 is a cover."""
    images = (torch.arange(8 * 48) * 7 % 256).reshape(8, 3, 4, 4).float() / 255
    root = f"{folder}/toolbox"
    poisoned = f"{root}/poisoned_train_set/cifar10/TaCT_0.250_cover=0.125_poison_seed=0"
    clean = f"{root}/clean_set/cifar10/test_split"
    os.makedirs(poisoned, exist_ok=True)
    os.makedirs(clean, exist_ok=True)
    torch.save(images, f"{poisoned}/imgs")
    torch.save(torch.LongTensor([0, 1, 1, 2, 0, 1, 2, 1]), f"{poisoned}/labels")
    torch.save([2, 5], f"{poisoned}/poison_indices")
    torch.save([6], f"{poisoned}/cover_indices")
    torch.save(torch.LongTensor([2, 0, 3]), f"{clean}/labels")


def bench(folder):
    """Samples 1, 3, 4 of 6 are in the tree: 1 and 4 with target 2, 3 with its own label (cross)."""
    root = f"{folder}/bench/record/wanet"
    os.makedirs(root, exist_ok=True)
    labels = [0, 1, 2, 3, 0, 1]

    def dataset(part, changed, count, keys):
        indicator = numpy.zeros(count)
        indicator[list(changed)] = 1
        place = f"./record/wanet/{part}"
        return {
            "bd_data_container": {
                "save_folder_path": place,
                "data_dict": {
                    keys(index): {
                        "path": f"{place}/{original}/{index}.png",
                        "other_info": [given, original],
                    }
                    for index, (given, original) in changed.items()
                },
                "save_file_format": ".png",
            },
            "getitem_all": True,
            "getitem_all_switch": False,
            "original_index_array": numpy.arange(count),
            "poison_indicator": indicator,
            "save_folder_path": place,
        }

    changed = {index: (labels[index] if index == 3 else 2, labels[index]) for index in (1, 3, 4)}
    train = dataset("bd_train_dataset", changed, len(labels), numpy.int64)
    test = dataset("bd_test_dataset", {0: (2, 1), 2: (2, 3)}, 3, int)
    test["original_index_array"] = test["original_index_array"][[0, 2]]
    result = {
        "model_name": "resnet18",
        "num_classes": 4,
        "model": state().state_dict(),
        "data_path": "./data/cifar10",
        "img_size": (4, 4, 3),
        "clean_data": "cifar10",
        "bd_train": train,
        "bd_test": test,
    }
    torch.save(result, f"{root}/attack_result.pt")
    torch.save(train["poison_indicator"], f"{root}/train_poison_index_list.pickle")


def arrays():
    return {
        "float64": numpy.array([0.0, 1.0, 0.5]),
        "float32": numpy.array([0.25, -2.0], dtype=numpy.float32),
        "int64": numpy.arange(4),
        "uint8": numpy.array([[1], [255]], dtype=numpy.uint8),
        "bool": numpy.array([True, False]),
        "bigEndian": numpy.array([1, -2], dtype=">i4"),
        "fortran": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
        "none": numpy.zeros(0),
        "numbers": [numpy.int64(-5), numpy.float32(0.5), numpy.uint8(200), numpy.bool_(True)],
        "keys": {numpy.int64(7): "seven"},
    }


def main(folder):
    os.makedirs(f"{folder}/plain", exist_ok=True)
    torch.save(tensors(), f"{folder}/tensors.pt")
    module = state()
    torch.save(module.state_dict(), f"{folder}/state.pt")
    torch.save(
        module.state_dict(), f"{folder}/legacy.pt", _use_new_zipfile_serialization=False
    )
    torch.save(checkpoint(state()), f"{folder}/checkpoint.pt")
    torch.save(arrays(), f"{folder}/numpy.pt")
    toolbox(folder)
    bench(folder)
    for protocol in (2, 3, 4, 5):
        with open(f"{folder}/plain/protocol{protocol}.pickle", "wb") as file:
            pickle.dump(plain(), file, protocol=protocol)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
