"""What each technical word on the page means, for people who have not met it."""

from __future__ import annotations

from collections.abc import Mapping

TERMS: Mapping[str, str] = {
    "tsne": (
        "A way to draw many numbers on a flat map: samples that are alike in the full space are drawn "
        "near each other. Distances between far points and the sizes of clusters carry no meaning."
    ),
    "trust": (
        "How many of the neighbours on the map are neighbours in the full space too: 1 is all, 0.5 is "
        "chance. It tells how far the map can be believed."
    ),
    "out_of_sample": (
        "The model that judges a sample was trained without it and without its copies, so it cannot "
        "have learned the label by heart."
    ),
    "indication": (
        "Worked out from the model's own probabilities; in a clean dataset it is far too high, since "
        "overlapping classes count as errors. It becomes an estimate only after randomly drawn samples "
        "have been reviewed."
    ),
    "upper": (
        "The confident joint's count. Classes that overlap count as errors in it, so the true number "
        "is usually lower."
    ),
    "knn_accuracy": (
        "Share of samples whose nearest neighbours, copies left out, mostly carry the same label. 1 is best."
    ),
    "share": (
        "Samples of one class that are taken for the other, as a part of their class, averaged over "
        "both directions. High is bad."
    ),
    "backbone": (
        "The neural network, trained earlier on other pictures, that describes each picture in numbers."
    ),
    "neighbours": (
        "The samples whose numbers point in the most similar direction (cosine similarity; 1 is the same)."
    ),
    "label_quality": "How well the label holds against classes mistaken for it, from 0 to 1. Low is suspect.",
    "clarity": ("How far the best class is ahead of the next one, from 0 to 1. Low is ambiguous."),
    "typicality": (
        "How much the sample looks like anything else in the dataset, from 0 to 1. Low is off-topic."
    ),
    "picture_quality": (
        "How usable the picture is, from 0 to 1. Low is dark, blurred, nearly empty or oddly shaped."
    ),
    "similarity": ("Cosine similarity of the two descriptions: 1 is the same, 0 has nothing in common."),
    "silhouette": (
        "How much closer samples lie to their own class than to the next one, from -1 to 1. High is better."
    ),
    "fingerprint": ("One number for the whole dataset: it changes when any picture, name or label changes."),
    "seed": ("The start of all random choices: the same seed gives the same audit."),
    "mixed": (
        "A good part of the class is taken for another class out of sample, or the other way. A class is "
        "separated when hardly any is, and not judged when it has too few independent samples."
    ),
}
