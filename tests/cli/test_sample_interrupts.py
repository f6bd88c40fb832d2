"""``equipoise sample`` leaves nothing behind after a full disk, an interrupt or a termination."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from equipoise._cli.main import main
from support.sample_files import arguments, log, run_python, write

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from equipoise._cli.main import main
sys.exit(main({argv!r}))
"""


@pytest.mark.skipif(os.name == "nt", reason="limits are set the POSIX way here")
@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_nothing_behind(tmp_path, out, exists):
    file = write(tmp_path, [log(30_000)])[0]
    if exists:
        (tmp_path / out).write_text("before")
    done = run_python(LIMITED.format(argv=arguments([file], tmp_path / out, 20_000)))
    assert done.returncode == 2
    assert done.stderr == f"equipoise sample: error: {tmp_path / out}: File too large\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([file.name, *([out] if exists else [])])
    assert not exists or (tmp_path / out).read_text() == "before"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
def test_a_device_without_space_is_named(tmp_path, monkeypatch, capsys, out):
    file = write(tmp_path, [log(30_000)])[0]
    full = open("/dev/full", "wb")  # noqa: SIM115
    monkeypatch.setattr("equipoise._cli.sample.output.Path.open", lambda self, mode: full)
    assert main(arguments([file], tmp_path / out, 20_000)) == 2
    assert capsys.readouterr().err == f"equipoise sample: error: {tmp_path / out}: No space left on device\n"
    assert list(tmp_path.iterdir()) == [file]


SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore SIGINT
from equipoise._cli.files import rows
from equipoise._cli.sample import output
from equipoise._cli.main import main
where = {where!r}
if where == "reading":
    batches = rows.ParquetRows.batches
    def slow(self, kinds):
        for batch in batches(self, kinds):
            print("now", flush=True)
            time.sleep(0.2)
            yield batch
    rows.ParquetRows.batches = slow
else:
    write = output.Output.write
    def slow(self, table):
        write(self, table)
        self._flush()
        print("now", flush=True)
        time.sleep(0.2)
    output.Output.write = slow
rows._BATCH_ROWS = 100
sys.exit(main({argv!r}))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent the POSIX way here")
@pytest.mark.parametrize("where", ["reading", "writing"])
@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("out", ["out.parquet", "out.csv"])
def test_an_interrupt_leaves_the_old_output_in_place(tmp_path, where, number, status, out):
    file = write(tmp_path, [log(20_000)], row_group_size=100)[0]
    (tmp_path / out).write_text("before")
    program = SLOW.format(where=where, argv=arguments([file], tmp_path / out, 5000, weight="weight"))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "now\n"
        assert where == "reading" or len(list(tmp_path.iterdir())) == 3  # the temporary file
        time.sleep(0.1)
        process.send_signal(getattr(signal, number))
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, err) == (status, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([file.name, out])
    assert (tmp_path / out).read_text() == "before"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_standard_output_is_status_2(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("w\n1\n2\n")
    command = [sys.executable, "-m", "equipoise", "sample", log, "-k", "1", "-o", tmp_path / "out.csv"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "equipoise sample: error: stdout: No space left on device\n"
