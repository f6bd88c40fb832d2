"""The program of tests/adapters/torch/test_resume.py: training loops that are killed, and resumed by others.

    python -m support.killed CASES

CASES is a JSON list of dicts, each with these keys:

    kind        a name in KINDS: what decides the batches
    loader      "stateful": StatefulDataLoader; "plain": DataLoader and `position`; "nodes": torchdata.nodes
    workers     their number
    persistent  whether they outlive a pass
    told        whether the loop calls set_epoch
    kills       when the loop saves its state and is killed: a number of batches, and a moment in MOMENTS

Each loop is a process of its own, which SIGKILL ends. The last one ends by itself after EPOCHS epochs. The
program prints, for each case, the batches that all of its loops together have trained on, or what went wrong.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader

from equipoise import NegativeSampler
from equipoise.torch import (
    ClassBalancedBatchSampler,
    DistributedWeightedSampler,
    NegativeCollate,
    SmoteBatches,
    WeightedSampler,
)

ROWS, BATCH, EPOCHS = 50, 8, 3
LENGTH = -(-ROWS // BATCH)  # batches in an epoch
WEIGHTS = np.arange(ROWS) % 7 + 1
LABELS = np.arange(ROWS) % 5 == 0
MOMENTS = ("before iter", "after iter", "after batch", "after loop")


class Kind(NamedTuple):
    """What decides the batches, and what a DataLoader is made of."""

    order: Any  # has set_epoch and, except for SmoteBatches, a position
    dataset: Any
    settings: dict[str, Any]
    draws: int  # the positions in an epoch


def rows(order: Any) -> Kind:
    draws = ROWS * getattr(order, "num_replicas", 1) - (getattr(order, "num_replicas", 1) > 1)
    return Kind(order, range(ROWS), {"batch_size": BATCH, "sampler": order}, draws)


def classes() -> Kind:
    order = ClassBalancedBatchSampler(LABELS, BATCH, seed=3)
    return Kind(order, range(ROWS), {"batch_sampler": order}, LENGTH)


def synthetic() -> Kind:
    points = np.random.default_rng(0).normal(size=(ROWS, 3))
    order = SmoteBatches(points, LABELS, BATCH, seed=3)
    return Kind(order, order, {"batch_size": None}, LENGTH)


def negatives() -> Kind:
    order = WeightedSampler(WEIGHTS, seed=3)
    examples = [(row, row % 9, row) for row in range(ROWS)]
    collate = NegativeCollate(NegativeSampler(1_000, seed=3), 4, key="batch", epoch_of=order)
    return Kind(order, examples, {"batch_size": BATCH, "sampler": order, "collate_fn": collate}, ROWS)


KINDS = {
    "with replacement": lambda: rows(WeightedSampler(WEIGHTS, seed=3)),
    "without replacement": lambda: rows(WeightedSampler(WEIGHTS, replacement=False, seed=3)),
    "rank": lambda: rows(DistributedWeightedSampler(WEIGHTS, 2 * ROWS - 1, num_replicas=2, rank=1, seed=3)),
    "classes": classes,
    "synthetic rows": synthetic,
    "negatives": negatives,
}


def content(batch: Any) -> Any:
    """Return what a batch holds, so that JSON can hold it."""
    if isinstance(batch, dict):
        return [content(batch[name]) for name in sorted(batch)]
    if isinstance(batch, tuple) or (isinstance(batch, list) and isinstance(batch[0], torch.Tensor)):
        return [content(part) for part in batch]
    return torch.as_tensor(batch).tolist()


def unbroken(kind: str) -> list[Any]:
    """Return the batches of a loop that nobody kills."""
    _, dataset, settings, _ = KINDS[kind]()
    loader = DataLoader(dataset, **settings)
    return [content(batch) for _ in range(EPOCHS) for batch in loader]


class Loop:
    """A training loop, which goes on from the state that another has left in a folder."""

    def __init__(self, case: dict[str, Any], folder: Path) -> None:
        self.case, self.log, self.file = case, folder / "log", folder / "state"
        self.kind = KINDS[case["kind"]]()
        self.ranks = getattr(self.kind.order, "num_replicas", 1)
        self.epoch, self.trained = 0, 0
        self.loader = self.make_loader()
        self.stateful = self.kind.order if case["loader"] == "plain" else self.loader
        if self.file.exists():
            self.epoch, state = pickle.loads(self.file.read_bytes())
            self.stateful.load_state_dict(state)
            if case["loader"] == "plain":
                self.trained = state["position"] % self.kind.draws

    def make_loader(self) -> Any:
        workers = {"num_workers": self.case["workers"], "timeout": 60 if self.case["workers"] else 0}
        workers["persistent_workers"] = self.case["persistent"]
        if self.case["loader"] == "plain":
            return DataLoader(self.kind.dataset, **self.kind.settings, **workers)
        if self.case["loader"] == "stateful":
            from torchdata.stateful_dataloader import StatefulDataLoader

            return StatefulDataLoader(self.kind.dataset, **self.kind.settings, **workers)
        from torchdata import nodes

        node = nodes.SamplerWrapper(self.kind.order)
        if "batch_sampler" not in self.kind.settings:
            node = nodes.Batcher(node, BATCH, drop_last=False)
        # With the default, state_dict() is out of date for ever after a resume at an epoch's end.
        return nodes.Loader(node, restart_on_stop_iteration=False)

    def batches(self) -> list[Any]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def reach(self, moment: str, kill: tuple[int, str] | None) -> None:
        """Save the state and die, if this is the moment."""
        if kill is None or kill != (len(self.batches()), moment):
            return
        self.file.write_bytes(pickle.dumps((self.epoch, self.stateful.state_dict())))
        os.kill(os.getpid(), signal.SIGKILL)

    def run(self, kill: tuple[int, str] | None) -> None:
        for _ in range(2 * EPOCHS):
            if self.case["told"]:
                self.kind.order.set_epoch(self.epoch)
            self.reach("before iter", kill)
            loaded = iter(self.loader)
            self.reach("after iter", kill)
            for batch in loaded:
                if self.case["loader"] == "plain":
                    some = batch["index"] if isinstance(batch, dict) else batch
                    by_batch = "batch_sampler" in self.kind.settings
                    self.trained += self.ranks * (1 if by_batch else len(some))
                    self.kind.order.position = self.trained
                with self.log.open("a") as log:
                    print(json.dumps(content(batch)), file=log)
                self.reach("after batch", kill)
                if len(self.batches()) == EPOCHS * LENGTH:
                    return
            self.epoch, self.trained = self.epoch + 1, 0
            self.reach("after loop", kill)


def run_and_kill(case: dict[str, Any]) -> list[Any] | str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kill in [*map(tuple, case["kills"]), None]:
            child = os.fork()
            if child == 0:
                signal.alarm(100)
                try:
                    Loop(case, folder).run(kill)
                    os._exit(0)
                finally:
                    os._exit(1)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status != (0 if kill is None else -signal.SIGKILL):
                return f"The process that was to end at {kill} ended with {status}."
        return Loop(case, folder).batches()


if __name__ == "__main__":
    cases = json.loads(sys.argv[1])
    # What every child would do anew: import torchdata, and load the kernels, which takes Numba a second.
    if any(case["loader"] != "plain" for case in cases):
        import torchdata.nodes
        import torchdata.stateful_dataloader  # noqa: F401
    for kind in {case["kind"] for case in cases}:
        unbroken(kind)
    print(json.dumps([run_and_kill(case) for case in cases]))
