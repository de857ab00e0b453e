#!/usr/bin/env python3
"""How training scales to N ranks: a model of the step from measured compute and message costs.

    Benchmarks/scaling_model.py --compute-ms 1749 --floats 11.27e6 --latency-us 10

A step of a rank, weak scaling (every rank keeps its microbatch):

    step     = compute + exchange
    exchange = 2 (P - 1) B alpha + K-dependent bytes / beta

P ranks; B buckets of max(1 MB, 64 kB P); alpha the cost of a message; beta a rank's share of its
node's network, both directions at once. A rank whose shards are one node of the tree (P a power of
two that divides the shards) sends (P - 1) / P of the vector to the ranks that add it and as much
again as sums. With G ranks on each of H nodes and one round among all, (P - G) / P of the bytes leave
the node; in two rounds (first within a node, then between ranks of equal number), a rank sends a Gth
of (H - 1) / H of the vector and as much again, in 2 (H - 1) B messages. What stays within a node is
--local-ms, by the ranks of a node as measured on one: 2:14,4:24,16:60; between two of them it is
interpolated. Nothing overlaps; what --overlap hides comes on top.

The default latency is what small all-reduces over TCP cost on the loopback device; see
docs/performance.md for where the numbers come from.
"""

import argparse


def costs_by_ranks(text):
    """`2:14,16:60` as ordered pairs of ranks and milliseconds; one rank alone costs nothing."""
    pairs = [part.split(":") for part in text.split(",")]
    return sorted([(1, 0.0), *((int(ranks), float(cost)) for ranks, cost in pairs)])


def interpolated(costs, ranks):
    """The cost of `ranks` ranks on a node; beyond the largest that was measured, its cost."""
    for (fewer, low), (more, high) in zip(costs, costs[1:]):
        if ranks <= more:
            return low + (high - low) * (ranks - fewer) / (more - fewer)
    return costs[-1][1]


def efficiency(ranks, options, gigabits, rounds):
    if ranks == 1:
        return 1.0, 0.0
    each = min(ranks, options.ranks_per_node)
    nodes = ranks // each
    vector = 4 * options.floats
    buckets = max(1, -(-vector // max(1e6, 64e3 * ranks)))
    if rounds == 1:
        peers, share = ranks - each, (ranks - each) / ranks
    else:
        peers, share = nodes - 1, (nodes - 1) / nodes / each
    messages = 2 * peers * buckets * options.latency_us * 1e-6
    exchange = messages + 2 * vector * share / (gigabits * 1e9 / 8 / each)
    exchange += interpolated(options.local_ms, each) * 1e-3
    compute = options.compute_ms * 1e-3
    return compute / (compute + exchange), exchange * 1e3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--compute-ms", type=float, required=True, help="a step without exchange")
    parser.add_argument("--floats", type=float, required=True, help="length of the summed vector")
    parser.add_argument("--latency-us", type=float, default=10, help="cost of a message")
    parser.add_argument(
        "--local-ms", type=costs_by_ranks, default=[(1, 0.0)], metavar="RANKS:MS,...",
        help="exchange of a step on one node, by its ranks",
    )
    parser.add_argument("--ranks-per-node", type=int, default=16)
    options = parser.parse_args()
    head = [f"{speed} Gb/s, {rounds}" for speed in (10, 100) for rounds in ("one round", "two")]
    print("| ranks | nodes | " + " | ".join(f"{cell}: ms, efficiency" for cell in head) + " |")
    print("|---" * (2 + len(head)) + "|")
    for power in range(11):
        ranks = 1 << power
        cells = []
        for gigabits in (10, 100):
            for rounds in (1, 2):
                share, exchange = efficiency(ranks, options, gigabits, rounds)
                cells.append(f"{exchange:.0f}, {100 * share:.1f} %")
        nodes = -(-ranks // options.ranks_per_node)
        print(f"| {ranks} | {nodes} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
