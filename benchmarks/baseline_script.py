"""The script somebody would write instead of running `auditor`: what whole_run.py measures against.

    python benchmarks/baseline_script.py DATA WEIGHTS OUT

DATA has one folder per class, WEIGHTS is a ResNet-50 state dict (.safetensors or .pth), OUT a folder.
Everything is what the libraries' own tutorials show, with their defaults. Prints seconds by step as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import torch
from bokeh.models import ColumnDataSource
from bokeh.palettes import Category20
from bokeh.plotting import figure, output_file, save
from bokeh.transform import factor_cmap
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.model_selection import cross_val_predict
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet50_Weights, resnet50

BATCH_SIZE = 32
WORKERS = 2
NEIGHBOURS = 10

TOOLTIP = """<div><img src="@image" width="160"><br>@path<br>@label, quality @quality{0.00}</div>"""


def embed(data: ImageFolder, weights: Path) -> np.ndarray:
    """Return the 2048 numbers before the classifier for every picture."""
    model = resnet50()
    state = load_file(weights) if weights.suffix == ".safetensors" else torch.load(weights)
    model.load_state_dict(state, strict=False)
    model.fc = torch.nn.Identity()
    model.eval()
    loader = DataLoader(data, batch_size=BATCH_SIZE, num_workers=WORKERS)
    with torch.no_grad():
        return np.concatenate([model(images).numpy() for images, _ in loader])


def neighbours(features: np.ndarray) -> np.ndarray:
    """Return the nearest pictures of every picture by cosine similarity."""
    vectors = features / np.linalg.norm(features, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index.search(vectors, NEIGHBOURS + 1)[1]


def draw(table: pd.DataFrame, classes: list[str], out: Path) -> None:
    """Save the map as one HTML page that shows a picture where the mouse is."""
    output_file(out / "map.html", title="Dataset")
    plot = figure(width=1000, height=800, tooltips=TOOLTIP)
    colour = factor_cmap("label", Category20[20], classes)
    plot.scatter("x", "y", source=ColumnDataSource(table), color=colour, legend_field="label", size=5)
    save(plot)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("data", "weights", "out"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    seconds, start = {}, time.perf_counter()

    def step(name: str) -> None:
        nonlocal start
        seconds[name], start = round(time.perf_counter() - start, 2), time.perf_counter()

    data = ImageFolder(options.data, transform=ResNet50_Weights.IMAGENET1K_V1.transforms())
    labels = np.array(data.targets)
    features = embed(data, options.weights)
    step("embed")
    probabilities = cross_val_predict(
        LogisticRegression(max_iter=1000), features, labels, cv=5, method="predict_proba"
    )
    step("probabilities")
    issues = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence")
    quality = get_label_quality_scores(labels, probabilities)
    step("cleanlab")
    nearest = neighbours(features)
    step("neighbours")
    places = TSNE().fit_transform(features)
    step("t-SNE")
    table = pd.DataFrame(
        {
            "path": [path for path, _ in data.samples],
            "image": [Path(path).resolve().as_uri() for path, _ in data.samples],
            "label": [data.classes[label] for label in labels],
            "quality": quality,
            "x": places[:, 0],
            "y": places[:, 1],
        }
    )
    table.drop(columns="image").iloc[issues].to_csv(options.out / "label_issues.csv")
    np.save(options.out / "neighbours.npy", nearest)
    draw(table, data.classes, options.out)
    step("page")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
