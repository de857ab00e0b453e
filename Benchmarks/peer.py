"""PyTorch's images per second on the work that `meca-dist bench` measures: the peer.

    PYTHON Benchmarks/peer.py --mode train --model resnet18 --width 64 --ranks 2 --batch 32

Starts --ranks processes on this machine, each with --threads threads and --batch images of 32x32,
pinned to cores of its own where there are enough. channels_last throughout, networks of tools/.
Modes:
  train   forward, cross entropy, backward, gradients averaged (DistributedDataParallel over gloo),
          SGD step (Nesterov momentum, weight decay)
  eval    forward in evaluation mode
  score   MeCa's robustness score: forward, gradient of the cross entropy by the images (no weight
          gradients), one 2x2 square moved by 16/255 along its sign, forward, KL divergence
`--precision bf16` is autocast around forward and loss. Images are made once and stay in memory;
reading and shuffling them costs nothing here, while `meca-dist bench` pays for both.

Settings were chosen by measurement (torch 2.13, Zen 4, 2 ranks x 32, ResNet-18 width 64, images/s):
  memory    freed blocks stay with the process (MALLOC_*_THRESHOLD_), so that activations are not
            paged in again every step: training 56 -> 60, bf16 100 -> 110; huge pages 59, bf16 106
  DDP       gradient_as_bucket_view, static_graph, no broadcast of the running statistics; the last
            two and larger buckets make no difference that shows
  SGD       built once; fused and foreach are equally fast, fused is used
  eval      fp32: traced, frozen, torch.jit.optimize_for_inference (199 -> 216); bf16: batch
            normalisation folded into the convolutions (399 -> 411, frozen 399)
  score     batch normalisation folded, in both passes
  --compile torch.compile in place of these. Needs a C++ compiler and a minute; training 59, fp32
            evaluation 222. Off by default; compare.py takes it as --peer-compile

Prints one JSON line with all parameters; `images_per_second` counts all ranks, from the median over
--steps timed steps of the slowest rank's time; `rss_mb` is the largest rank's peak, MB.
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

CLASSES = 10
SIDE = 32
PATCH = 2
EPSILON = 16 / 255
MODELS = ("resnet18", "resnet34", "mobilenetv2")

# What must be in the environment before torch is loaded, unless the user has set it.
ENVIRONMENT = {
    "GLOO_SOCKET_IFNAME": "lo",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
}


def make_model(options):
    import torch

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
    from mobilenet import MobileNetV2
    from resnet import ResNet

    class Normalised(torch.nn.Module):
        """The network behind (pixel - mean) / deviation: gradients are those of raw pixels."""

        def __init__(self, network):
            super().__init__()
            self.network = network
            self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))
            self.register_buffer("deviation", torch.full((1, 3, 1, 1), 0.22))

        def forward(self, images):
            return self.network((images - self.mean) / self.deviation)

    if options.model == "mobilenetv2":
        network = MobileNetV2(options.width, CLASSES)
    else:
        network = ResNet(options.model, options.width, CLASSES)
    return Normalised(network).to(memory_format=torch.channels_last)


def folded(model):
    """The model in evaluation mode with batch normalisation inside the convolutions."""
    import torch
    from torch.fx.experimental.optimization import fuse

    return fuse(model.eval()).to(memory_format=torch.channels_last)


def autocast(options):
    import torch

    if options.precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)


def training_step(model, images, labels, options):
    import torch
    from torch.nn.functional import cross_entropy

    model.train()
    if options.ranks > 1:
        model = torch.nn.parallel.DistributedDataParallel(
            model, gradient_as_bucket_view=True, static_graph=True, broadcast_buffers=False
        )
    if options.compile:
        model = torch.compile(model)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True
    )

    def step():
        optimiser.zero_grad(set_to_none=True)
        with autocast(options):
            loss = cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()

    return step


def evaluation_step(model, images, labels, options):
    import torch

    model.eval()
    if options.compile:
        import torch._inductor.config

        # Freezing takes weights as constants; it has to see no_grad, not inference_mode.
        torch._inductor.config.freezing = True
        model, mode = torch.compile(model), torch.no_grad
    elif options.precision == "bf16":
        model, mode = folded(model), torch.inference_mode
    else:
        mode = torch.inference_mode
        with mode():
            frozen = torch.jit.freeze(torch.jit.trace(model, images))
            model = torch.jit.optimize_for_inference(frozen)

    def step():
        with mode(), autocast(options):
            model(images)

    return step


def scoring_step(model, images, labels, options):
    import torch
    from torch.nn.functional import cross_entropy, log_softmax

    model = folded(model).requires_grad_(False)
    if options.compile:
        model = torch.compile(model)
    generator = torch.Generator().manual_seed(2)
    corners = torch.randint(0, SIDE - PATCH + 1, (len(images), 2), generator=generator)
    mask = torch.zeros(len(images), 1, SIDE, SIDE)
    for sample, (top, left) in enumerate(corners.tolist()):
        mask[sample, :, top : top + PATCH, left : left + PATCH] = 1

    def step():
        x = images.detach().requires_grad_(True)
        with autocast(options):
            logits = model(x)
            # A sum, so that each image has the gradient of its own loss.
            loss = cross_entropy(logits, labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        with torch.inference_mode(), autocast(options):
            perturbed = (images + mask * EPSILON * gradient.sign()).clamp_(0, 1)
            before = log_softmax(logits.detach(), 1)
            after = log_softmax(model(perturbed), 1)
            (before.exp() * (before - after)).sum(1)

    return step


STEPS = {"train": training_step, "eval": evaluation_step, "score": scoring_step}


def distinct_cores():
    """One logical processor of each core that this process may use."""
    seen, cores = set(), []
    for cpu in sorted(os.sched_getaffinity(0)):
        path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        try:
            siblings = pathlib.Path(path).read_text()
        except OSError:
            siblings = str(cpu)
        if siblings not in seen:
            seen.add(siblings)
            cores.append(cpu)
    return cores


def pin(rank, options):
    """Gives the rank cores of its own, if there are as many as threads of all ranks."""
    cores = distinct_cores()
    if len(cores) >= options.ranks * options.threads:
        os.sched_setaffinity(0, cores[rank * options.threads : (rank + 1) * options.threads])


def run_rank(rank, options):
    """One rank's work, on a core or cores of its own; rank 0 prints."""
    pin(rank, options)
    # Those of torch about its own interfaces; there is nothing to replace them with yet.
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category)
    import torch
    import torch.distributed

    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    if options.ranks > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{options.store}", rank=rank, world_size=options.ranks
        )
    torch.manual_seed(1)
    model = make_model(options)
    images = torch.rand(options.batch, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (options.batch,))
    step = STEPS[options.mode](model, images, labels, options)

    seconds = []
    for number in range(options.warm_up + options.steps):
        begin = time.perf_counter()
        step()
        if number >= options.warm_up:
            seconds.append(time.perf_counter() - begin)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    ranks = [(seconds, megabytes)]
    if options.ranks > 1:
        ranks *= options.ranks
        torch.distributed.all_gather_object(ranks, (seconds, megabytes))
    if rank == 0:
        slowest = [max(step) for step in zip(*(times for times, _ in ranks), strict=True)]
        images_per_step = options.batch * options.ranks
        report = {
            key: value for key, value in vars(options).items() if key not in ("rank", "store")
        }
        report["images_per_second"] = round(images_per_step / statistics.median(slowest), 1)
        report["rss_mb"] = round(max(megabytes for _, megabytes in ranks))
        report["torch"] = torch.__version__
        print(json.dumps(report, sort_keys=True), flush=True)
    if options.ranks > 1:
        torch.distributed.barrier()
        # Leaves without the destructors: gloo's threads may abort there.
        os._exit(0)


def start_ranks(options):
    """Runs every rank in a process of its own; the first failure ends all of them."""
    environment = {**ENVIRONMENT, **os.environ, "OMP_NUM_THREADS": str(options.threads)}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, *sys.argv[1:], "--store", f"{folder}/store"]
        ranks = [
            subprocess.Popen([*command, "--rank", str(rank)], env=environment)
            for rank in range(options.ranks)
        ]
        try:
            while any(rank.poll() is None for rank in ranks):
                if any(rank.poll() for rank in ranks):
                    break
                time.sleep(0.05)
        finally:
            for rank in ranks:
                rank.terminate()
        return max(abs(rank.wait()) for rank in ranks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=sorted(STEPS), default="train")
    parser.add_argument("--model", choices=MODELS, default="resnet18")
    parser.add_argument("--width", type=int, default=64, help="channels of the first layer")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32, help="images of a rank's step")
    parser.add_argument("--threads", type=int, default=1, help="threads of a rank")
    parser.add_argument("--steps", type=int, default=10, help="timed steps")
    parser.add_argument("--warm-up", type=int, default=3, help="untimed steps before them")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank is None:
        sys.exit(start_ranks(options))
    run_rank(options.rank, options)


if __name__ == "__main__":
    main()
