"""Checks that the real cleanlab works on a run's probabilities.npy, and that it finds wrong labels.

    python3 -m venv venv && venv/bin/pip install cleanlab numpy
    venv/bin/python tools/check-probabilities.py RUN [TRUTH.csv]
    venv/bin/python tools/check-probabilities.py --program .build/release/meca-dist

The first form looks at the folder of a run that was made with --probabilities: one row a training sample
of samples.csv, each a distribution over the classes; then asks cleanlab which labels are wrong and says
how many. Where TRUTH.csv (columns index, kind) names the samples whose labels are wrong, it also says how
many of them are among those.
The second form makes a set with a tenth of its labels wrong from the program's built-in images (2,000 of
them), runs `detect --probabilities` on it, and expects of cleanlab that it names wrong labels well above
chance.

Exit status 0 when all of this holds, 1 otherwise.
"""

import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy
from cleanlab.filter import find_label_issues


def read_run(run):
    with open(run / "samples.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    labels = numpy.array([int(row["label"]) for row in rows])
    probabilities = numpy.load(run / "probabilities.npy")
    assert probabilities.dtype == numpy.float32, probabilities.dtype
    assert probabilities.ndim == 2 and len(probabilities) == len(labels), probabilities.shape
    assert labels.max() < probabilities.shape[1]
    assert (probabilities >= 0).all() and numpy.abs(probabilities.sum(1) - 1).max() < 1e-5
    return labels, probabilities


def look(run, wrong=None):
    labels, probabilities = read_run(run)
    fits = (probabilities.argmax(1) == labels).mean()
    issues = find_label_issues(
        labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    print(f"{len(labels)} samples, {probabilities.shape[1]} classes; held-out detectors agree with "
          f"{fits:.1%} of the labels; cleanlab takes {len(issues)} for wrong")
    if wrong is None:
        return None
    found = len(set(map(int, issues)) & wrong)
    first = len(set(map(int, issues[:len(wrong)])) & wrong) / len(wrong)
    share = len(wrong) / len(labels)
    print(f"wrong are {len(wrong)} ({share:.1%}); of them named {found} ({found / len(wrong):.1%}); "
          f"of the first {len(wrong)} named wrong {first:.1%}")
    return found / len(wrong), first, share


def made(program, folder):
    """A set with wrong labels, and who they are."""
    clean = folder / "clean"
    subprocess.run([program, "poison", "--attack", "none", "--format", "npy", "--train-limit", "2000",
                    "--test-limit", "200", "--output", clean], check=True, stdout=subprocess.DEVNULL)
    labels = numpy.load(clean / "train-labels.npy")
    random = numpy.random.default_rng(1)
    wrong = random.choice(len(labels), len(labels) // 10, replace=False)
    labels[wrong] = (labels[wrong] + random.integers(1, 10, len(wrong))) % 10
    noisy = folder / "noisy"
    noisy.mkdir()
    for name in ("train-images.npy", "test-images.npy", "test-labels.npy", "class-names.txt"):
        (noisy / name).write_bytes((clean / name).read_bytes())
    numpy.save(noisy / "train-labels.npy", labels)
    return noisy, set(map(int, wrong))


def main():
    if sys.argv[1:2] == ["--program"] and len(sys.argv) == 3:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            noisy, wrong = made(sys.argv[2], folder)
            subprocess.run([sys.argv[2], "detect", "--dataset", "npy", "--data", noisy, "--width", "4",
                            "--probabilities", "--output", folder / "run", "--quiet"],
                           check=True, stdout=subprocess.DEVNULL)
            recall, first, share = look(folder / "run", wrong)
        sys.exit(0 if recall > 0.5 and first > 3 * share else 1)
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    wrong = None
    if len(sys.argv) == 3:
        with open(sys.argv[2], newline="") as file:
            wrong = {int(row["index"]) for row in csv.DictReader(file)}
    look(pathlib.Path(sys.argv[1]), wrong)


if __name__ == "__main__":
    main()
