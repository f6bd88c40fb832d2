"""The recipes for Grain and Keras, which read an order by index, give the epochs that they promise.

Each test runs the recipe of docs/trainers.md, and then a check, in one program.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from support.deadline import run

pytest.importorskip("torch", reason="torch is not installed")

PAGE = Path(__file__).parents[3] / "docs" / "trainers.md"

GRAIN = """
order = [sampler.order(0, 1_000, epoch) for epoch in range(2)]
assert (np.concatenate(list(make_loader(sampler))) == np.concatenate(order)).all()
resumed = iter(make_loader(WeightedSampler(np.arange(1_000) % 10 + 1, seed=0)))
resumed.set_state(state)
assert (np.concatenate(list(resumed)) == order[1][300:]).all()

other = iter(make_loader(WeightedSampler(np.arange(1_000) % 10 + 1, seed=1)))
try:
    other.set_state(state)
except ValueError:
    print("refused")
"""

KERAS = """
seen = []


class Seen(keras.layers.Layer):
    def call(self, inputs):
        if inputs.shape[0]:
            seen.append(keras.ops.convert_to_numpy(inputs)[:, 0].astype(int).tolist())
        return inputs * 0.0


numbers = np.arange(1_000.0)[:, None]
batches = Batches(numbers, y, WeightedSampler(np.arange(1_000) % 10 + 1, seed=0), batch_size=128)
model = keras.Sequential([Seen(), keras.layers.Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy")
settings = {"shuffle": False, "callbacks": [set_epoch], "verbose": 0}
model.fit(batches, epochs=2, **settings)
model.fit(batches, epochs=4, initial_epoch=3, **settings)
trained = [seen[-24:-16], seen[-16:-8], seen[-8:]]
for rows, epoch in zip(trained, (0, 1, 3)):
    assert sum(rows, []) == batches.sampler.order(0, 1_000, epoch).tolist(), epoch
"""


def recipe(name):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (block,) = (block for block in blocks if re.search(rf"^import {name}$", block, re.M))
    return block


@pytest.mark.slow
@pytest.mark.parametrize(("name", "check", "said"), [("grain", GRAIN, "refused\n"), ("keras", KERAS, "")])
def test_a_recipe(name, check, said, tmp_path):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    program = tmp_path / "program.py"
    program.write_text(recipe(name) + check, encoding="utf-8")
    assert run(program, seconds=100) == said
