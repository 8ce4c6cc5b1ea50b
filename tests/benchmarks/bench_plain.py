"""The study's comparison against the plain way, side by side in one run (aim: 3 times faster).

The plain way: one Ray Tune trial a seed, `OptunaSearch`, a function trainable, an `nn.Module` with `torch.optim`, and a
WebDataset loader, each as its documentation shows. Same configurations, seeds, data, steps and evaluations; the first
losses are checked to agree.
`python tests/benchmarks/bench_plain.py [--seeds 12] [--rounds 1]`
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDY = "alpha_seed_study"


def plain(folder: str, seeds: int) -> None:
    """All members of the comparison's named configurations, the plain way."""
    import torch
    import webdataset as wds
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    from seedsweep.shards.pack import pack
    from seedsweep.sweeps.study.schema import load

    study = load(STUDY, "laptop")
    # One sample a record, as is usual.
    data = pack(replace(study.data, samples_per_record=1, records_per_shard=256), Path(folder))

    def loader(split: str, seed: int | None):
        urls = sorted(str(path) for path in data.glob(f"{split}-*.tar"))
        dataset = wds.WebDataset(urls, shardshuffle=len(urls) if seed is not None else False, seed=seed or 0)
        if seed is not None:
            dataset = dataset.repeat().shuffle(1000)
        dataset = dataset.decode().to_tuple("image.npy", "mask.npy", "label.npy").batched(study.training.batch)
        return wds.WebLoader(dataset, batch_size=None, num_workers=0)

    def tensors(batch):
        images, masks, labels = (torch.as_tensor(part) for part in batch)
        return images.squeeze(1).float() / 255, masks.squeeze(1).float(), labels.flatten()

    def train(config: dict) -> None:
        sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]
        from plain import PlainAttention, plain_loss

        torch.manual_seed(config["seed"])
        h = study.hyperparameters
        model = PlainAttention(mean=0.72, std=0.19)
        optimiser = torch.optim.Adam(model.parameters(), lr=h.lr)
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, h.lr_decay_steps, h.lr_decay_factor)
        batches = iter(loader("train", config["seed"]))
        held = 0
        for step in range(1, study.training.steps + 1):
            images, masks, labels = tensors(next(batches))
            optimiser.zero_grad()
            loss = plain_loss(model(images, masks), labels, config["alpha"], h.gamma_at(step - 1))
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % study.training.evaluate_every == 0:
                hits = wrong = 0
                with torch.no_grad():
                    for images, masks, labels in map(tensors, loader("validation", None)):
                        predicted = model(images, masks)[1].argmax(1)
                        hits += int((predicted & labels).sum())
                        wrong += int((predicted != labels).sum())
                f1 = 2 * hits / max(1, 2 * hits + wrong)
                held = held + 1 if f1 >= study.criterion.threshold else 0
                tune.report({"f1": f1, "converged": int(held >= study.criterion.hold), "loss": float(loss)})

    points = [{"alpha": first.alpha, "seed": seed} for first in study.first for seed in range(seeds)]
    search = OptunaSearch(metric="f1", mode="max", points_to_evaluate=points)
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"alpha": tune.uniform(0, 1), "seed": tune.randint(0, 10_000)},
        tune_config=tune.TuneConfig(search_alg=search, num_samples=len(points)),
        run_config=tune.RunConfig(storage_path=folder, name="plain", verbose=0),
    )
    results = tuner.fit()
    assert len(results) == len(points)
    assert not results.errors
    frame = results.get_dataframe()
    print(frame.groupby("config/alpha").converged.agg(["sum", "count"]).to_string(), flush=True)


def ours(folder: str, seeds: int) -> None:
    """The same members by the product: the named configurations as variants, so that none is explored, which the plain
    way is spared, too."""
    from seedsweep.sweeps.study.schema import load

    alphas = [first.alpha for first in load(STUDY, "laptop").first]
    variants = ", ".join(f"alpha {alpha:g}: {{hyperparameters: {{alpha: {alpha}}}}}" for alpha in alphas)
    command = [
        *(sys.executable, "sweeps/launch.py", STUDY, "--scale", "laptop", "--runs", folder),
        *("--set", f"variants={{{variants}}}", "--set", "claimed_best={variant: alpha 0.5}"),
        *("--set", "search.explore=0", "--set", "search.first=[]", "--set", f"seeds.compare={seeds}"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["plain", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        {"plain": plain, "ours": ours}[options.only](options.folder, options.seeds)
        return
    subprocess.run([sys.executable, "tests/benchmarks/bench_cohorts.py", "--check"], cwd=ROOT, check=True)
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(options.rounds):
        for name, spent in times.items():
            with tempfile.TemporaryDirectory() as folder:
                start = time.monotonic()
                done = subprocess.run(
                    [sys.executable, __file__, "--only", name, "--folder", folder, "--seeds", str(options.seeds)],
                    check=False,
                    cwd=ROOT,
                    stderr=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "SEEDSWEEP_CACHE": f"{folder}/cache"},
                )
                if done.returncode:
                    sys.exit(f"{name} failed:\n{done.stderr.decode()}")
                spent.append(time.monotonic() - start)
                print(f"{name}: {spent[-1]:.0f} s for 5 configurations x {options.seeds} seeds", flush=True)
    ratio = statistics.median(times["plain"]) / statistics.median(times["ours"])
    print(f"study against the plain way: {ratio:.1f} times faster (aim 3)")


if __name__ == "__main__":
    main()
