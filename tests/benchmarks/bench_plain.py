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
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDY = "alpha_seed_study"


def write_samples(data: dict, folder: str) -> None:
    """The data set as WebDataset's documentation writes one: one sample a record."""
    import webdataset as wds

    from seedsweep.shards.data_set import make
    from seedsweep.shards.samples import arrays_of

    for split in ("train", "validation"):
        arrays = {f"{name}.npy": array for name, array in arrays_of(make(data), split).items()}
        with wds.ShardWriter(f"{folder}/{split}-%06d.tar", maxcount=256, verbose=0) as sink:
            for row in range(len(arrays["label.npy"])):
                sample = {name: array[row : row + 1] for name, array in arrays.items()}
                sink.write({"__key__": f"{row:08d}", **sample})


def loader(folder: str, split: str, batch: int, seed: int | None = None):
    """Batches of a split; with a seed shuffled and without end."""
    import webdataset as wds

    urls = sorted(str(path) for path in Path(folder).glob(f"{split}-*.tar"))
    dataset = wds.WebDataset(urls, shardshuffle=len(urls) if seed is not None else False, seed=seed or 0)
    if seed is not None:
        dataset = dataset.repeat().shuffle(1000)
    dataset = dataset.decode().to_tuple("image.npy", "mask.npy", "label.npy").batched(batch)
    return wds.WebLoader(dataset, batch_size=None, num_workers=0)


def plain(folder: str, seeds: int) -> None:
    """All members of the comparison's named configurations, the plain way."""
    import torch
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    from seedsweep.sweeps.study.configuration import named
    from seedsweep.sweeps.study.loading import load

    study = load(STUDY, "laptop")
    write_samples(study.data, folder)

    def tensors(batch):
        images, masks, labels = (torch.as_tensor(part) for part in batch)
        return images.squeeze(1).float() / 255, masks.squeeze(1).float(), labels.flatten()

    def train(config: dict) -> None:
        sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]
        from plain import PlainAttention, plain_loss

        torch.manual_seed(config["seed"])
        h, decays = study.hyperparameters, study.schedules
        model = PlainAttention(mean=0.72, std=0.19)
        optimiser = torch.optim.Adam(model.parameters(), lr=h["lr"])
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, decays["lr"]["every"], decays["lr"]["factor"])
        batches = iter(loader(folder, "train", study.training.batch, config["seed"]))
        held = 0
        for step in range(1, study.training.steps + 1):
            images, masks, labels = tensors(next(batches))
            optimiser.zero_grad()
            decayed = decays["gamma"]["factor"] ** ((step - 1) // decays["gamma"]["every"])
            loss = plain_loss(model(images, masks), labels, config["alpha"], h["gamma"] * decayed)
            loss.backward()
            optimiser.step()
            schedule.step()
            if step % study.training.evaluate_every == 0:
                hits = wrong = 0
                with torch.no_grad():
                    for images, masks, labels in map(tensors, loader(folder, "validation", study.training.batch)):
                        predicted = model(images, masks)[1].argmax(1)
                        hits += int((predicted & labels).sum())
                        wrong += int((predicted != labels).sum())
                f1 = 2 * hits / max(1, 2 * hits + wrong)
                held = held + 1 if f1 >= study.criterion.threshold else 0
                tune.report({"f1": f1, "converged": int(held >= study.criterion.hold), "loss": float(loss)})

    alphas = (each.study.hyperparameters["alpha"] for each in named(study))
    points = [{"alpha": alpha, "seed": seed} for alpha in alphas for seed in range(seeds)]
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
    """The same members by the product. None is explored, which the plain way is spared, too."""
    command = [
        *(sys.executable, "sweeps/launch.py", STUDY, "--on", "here", "--scale", "laptop", "--runs", folder),
        *("--set", "search.explore=0", "--set", f"seeds.compare={seeds}"),
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
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    check = [sys.executable, "tests/benchmarks/bench_cohorts.py", "--check"]
    subprocess.run(check, cwd=ROOT, check=True, env=environment)
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
                    env={**environment, "SEEDSWEEP_CACHE": f"{folder}/cache"},
                )
                if done.returncode:
                    sys.exit(f"{name} failed:\n{done.stderr.decode()}")
                spent.append(time.monotonic() - start)
                print(f"{name}: {spent[-1]:.0f} s for 5 configurations x {options.seeds} seeds", flush=True)
    ratio = statistics.median(times["plain"]) / statistics.median(times["ours"])
    print(f"study against the plain way: {ratio:.1f} times faster (aim 3)")


if __name__ == "__main__":
    main()
