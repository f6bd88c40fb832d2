"""A distributed sample takes little memory from its driver."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# 250 partitions of 100,000 rows of 40 bytes are 1 GB. The driver may take 100 MB.
DRIVER = """
import re
import numpy as np, pandas as pd

def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024

def part(p, n=100_000):
    ids = np.arange(p * n, (p + 1) * n)
    return pd.DataFrame({{"id": ids, "w": 1.0 + ids % 7, "a": ids + 1, "b": ids + 2, "c": ids + 3}})

def main():
    {start}
    for parts in (4, 250):  # the first call imports and connects
        open("/proc/self/clear_refs", "w").write("5")  # reset the peak
        before = memory("VmRSS")
        got = weighted_sample(make(parts), 10_000, weight="w", key="id")
    print("took", memory("VmHWM") - before)
    assert len(got) == 10_000 and (got["c"] - got["id"] == 3).all()
    assert got["id"].max() > 0.99 * 25_000_000
    {stop}

if __name__ == "__main__":
    main()
"""
DASK = {
    "start": """
    import distributed, dask.dataframe
    from equipoise.dask import weighted_sample
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0)
    client = distributed.Client(cluster)
    make = lambda parts: dask.dataframe.from_map(part, range(parts))
""",
    "stop": "client.close(); cluster.close()",
}
RAY = {
    "start": """
    import ray.data
    from equipoise.ray import weighted_sample
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**30)
    make = lambda parts: ray.data.range(parts, override_num_blocks=parts).map_batches(
        lambda batch: pd.concat([part(p) for p in batch["id"]]), batch_size=None)
""",
    "stop": "ray.shutdown()",
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "program"), [("dask", DASK), ("ray", RAY)])
def test_the_driver_needs_little_memory(name, program, tmp_path):
    """A data set of 1 GB costs the driver less than 100 MB. A sample of 16 MB warms it up.

    The fast test of this promise is test_little_is_sent in test_plan.py.
    """
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("only Linux can reset the peak of a process's memory")
    pytest.importorskip("distributed" if name == "dask" else "ray.data", reason=f"{name} is not installed")
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(**program))
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, env=environment, timeout=500
    )
    took = float(done.stdout.split("took")[1].split()[0])
    print(f"{name}: {took:.0f} MB")
    assert took < 100
