"""Jobs on several ranks, which are forked from a process that has imported the trainer."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch._dynamo  # which DistributedDataParallel would import on each rank, and takes a second
import torch.distributed

Job = Callable[[Path], Any]
SIZE = 2


def be_rank(job: Job, rank: int, folder: Path, run: int) -> None:
    """Join the process group, do the job, and write what it returns to a file."""
    signal.alarm(120)
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": SIZE, "LOCAL_WORLD_SIZE": SIZE, "NODE_RANK": 0}
    os.environ |= {name: str(value) for name, value in places.items()}
    # The group is there before the trainer looks for it, so no port is needed.
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "GLOO_SOCKET_IFNAME": "lo"}
    os.chdir(folder)
    torch.distributed.init_process_group(
        "gloo",
        init_method=f"file://{folder}/group-{run}",
        rank=rank,
        world_size=SIZE,
        timeout=timedelta(seconds=60),
    )
    (folder / f"rank-{rank}").write_text(json.dumps(job(folder)))


def on_ranks(*jobs: Job) -> list[Any]:
    """Do jobs one after the other in the same folder, and return what each rank's last one returns.

    All but the last are killed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for run, job in enumerate(jobs, 1):
            ranks = []
            for rank in range(SIZE):
                child = os.fork()
                if child == 0:
                    try:
                        be_rank(job, rank, folder, run)
                        sys.stdout.flush()
                        os._exit(0)
                    except BaseException:
                        traceback.print_exc()
                    finally:
                        os._exit(1)
                ranks.append(child)
            statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in ranks]
            if run == len(jobs):
                assert statuses == [0] * SIZE, statuses
            else:  # the second that dies may first notice that the other has gone
                assert -signal.SIGKILL in statuses, statuses
                assert 0 not in statuses, statuses
        return [json.loads((folder / f"rank-{rank}").read_text()) for rank in range(SIZE)]


def report(jobs: dict[str, tuple[Job, ...]]) -> None:
    """Do the jobs that the command line names, and print their results."""
    print(json.dumps({name: on_ranks(*jobs[name]) for name in sys.argv[1:]}))
