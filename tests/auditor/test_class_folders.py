"""Class folders: layouts, hostile names, links, and what is passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pictures import file_path
from PIL import Image

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources.names import HEIC_SUFFIXES, IMAGE_SUFFIXES

HOSTILE = [
    "new\nline.jpg",
    "emoji 🥑.jpg",
    "\u202egpj.rtl.jpg",
    "</script><img src=x onerror=alert(1)>.jpg".replace("/", "\u2215"),
    "__proto__.jpg",
    "=1+1.jpg",
    "$$x$$.jpg",
    "100%41.jpg",
    "a#2.jpg",
    "quote\"'comma,.jpg",
    "n" * 251 + ".jpg",
]


def plant(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")
    return root


def columns(dataset: Dataset, *names: str) -> list[tuple[str, ...]]:
    return list(zip(*(dataset.table[n] for n in names), strict=True))


def test_class_folders_give_ids_relative_to_the_root_sorted(tmp_path: Path) -> None:
    root = plant(tmp_path / "set", "b/2.jpg", "a/9.JPG", "b/1.Png", "a/deep/er/x.webp")
    dataset = read_dataset(root)
    assert columns(dataset, "id", "path", "label") == [
        ("a/9.JPG", "a/9.JPG", "a"),
        ("a/deep/er/x.webp", "a/deep/er/x.webp", "a"),
        ("b/1.Png", "b/1.Png", "b"),
        ("b/2.jpg", "b/2.jpg", "b"),
    ]
    assert dataset.classes == ("a", "b") and dataset.name == "set" and dataset.notes == ()
    assert (dataset.table[["domain", "split", "group"]] == "").all(axis=None)
    assert read_dataset(root).table.equals(dataset.table)


@pytest.mark.parametrize("splits", [("train", "val"), ("Train", "TEST"), ("dev", "valid"), ("train",)])
def test_splits_are_recognised_by_name_and_equal_classes(tmp_path: Path, splits: tuple[str, ...]) -> None:
    plant(tmp_path, *(f"{s}/{c}/1.jpg" for s in splits for c in ("cat", "dog")))
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert set(dataset.table["split"]) == set(splits)
    assert set(dataset.table["domain"]) == {""}


def test_other_folders_with_equal_classes_are_domains(tmp_path: Path) -> None:
    plant(tmp_path, *(f"{d}/{c}/1.jpg" for d in ("photo", "drawing") for c in ("cat", "dog")))
    assert columns(read_dataset(tmp_path), "label", "domain", "split") == [
        ("cat", "drawing", ""),
        ("dog", "drawing", ""),
        ("cat", "photo", ""),
        ("dog", "photo", ""),
    ]


@pytest.mark.parametrize(
    "files",
    [
        ("photo/cat/1.jpg", "photo/dog/1.jpg", "drawing/cat/1.jpg"),  # class sets differ
        ("train/cat/1.jpg", "train/dog/1.jpg", "test/1.jpg"),  # unlabelled test split
        ("train/1.jpg", "test/2.jpg"),
        ("cat/train/1.jpg", "cat/test/1.jpg", "dog/train/1.jpg", "dog/test/1.jpg"),
        ("rose/images/1.jpg", "tulip/images/1.jpg"),
        ("flowers/rose/1.jpg", "flowers/tulip/1.jpg"),
        tuple(
            f"{s}/{d}/{c}/1.jpg" for s in ("train", "test") for d in ("photo", "art") for c in ("cat", "dog")
        ),
    ],
)
def test_a_tree_that_does_not_say_is_asked_about(tmp_path: Path, files: tuple[str, ...]) -> None:
    plant(tmp_path, *files)
    with pytest.raises(DataError, match="--layout class, --layout split/class or --layout domain/class"):
        read_dataset(tmp_path)


def test_layout_decides_and_counts_what_it_leaves(tmp_path: Path) -> None:
    plant(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "test/1.jpg", "test/bird/readme.txt", "2.jpg")
    dataset = read_dataset(tmp_path, ReadOptions(layout="split/class"))
    assert columns(dataset, "label", "split") == [("cat", "train"), ("dog", "train")]
    assert dataset.notes == (
        "Passed over: 2 not in a class folder, 1 .txt.",
        "1 folder without images: 'test/bird'.",
    )
    by_class = read_dataset(tmp_path, ReadOptions(layout="class"))
    assert by_class.classes == ("test", "train")


def test_everything_passed_over_is_counted(tmp_path: Path) -> None:
    plant(
        tmp_path, "a/1.jpg", "b/1.jpg", "b/Thumbs.db", "b/x.TXT", "b/y.txt", "b/raw", "top.png", "empty/.keep"
    )
    plant(
        tmp_path, "__MACOSX/a/._1.jpg", "a/.ipynb_checkpoints/1.jpg", "a/.hidden.jpg", "readme.md", "a/v.svg"
    )
    dataset = read_dataset(tmp_path)
    assert len(dataset) == 2
    assert dataset.notes == (
        "Passed over: 5 hidden, 2 .txt, 1 .md, 1 .svg, 1 not in a class folder, 1 without suffix.",
        "1 folder without images: 'empty'.",
    )


def test_suffixes_are_those_that_pillow_decodes_in_any_case(tmp_path: Path) -> None:
    Image.init()
    assert set(Image.registered_extensions()) >= IMAGE_SUFFIXES - HEIC_SUFFIXES
    plant(tmp_path, *(f"a/{i}{s}" for i, s in enumerate(sorted(IMAGE_SUFFIXES))), "b/1.JpEg")
    assert len(read_dataset(tmp_path)) == len(IMAGE_SUFFIXES) + 1


def test_hostile_names_stay_text_and_open(tmp_path: Path) -> None:
    for folder in ("=cmd", "__proto__"):
        for name in HOSTILE:
            plant(tmp_path, f"{folder}/{name}")
    dataset = read_dataset(tmp_path)
    assert set(dataset.ids) == {f"{f}/{n}" for f in ("=cmd", "__proto__") for n in HOSTILE}
    assert all(Path(file_path(dataset, row)).is_file() for row in range(len(dataset)))


@pytest.mark.parametrize("name", ["01", "true", "None", "NA", "1.0", "nan", "null", "-", " a"])
def test_class_names_are_text(tmp_path: Path, name: str) -> None:
    dataset = read_dataset(plant(tmp_path, f"{name}/1.jpg", "other/1.jpg"))
    assert set(dataset.table["label"]) == {name, "other"}


def test_names_that_are_not_utf8_are_percent_encoded_and_open(tmp_path: Path) -> None:
    # The second and third name of each pair would collide after a plain percent-encoding.
    names = [b"caf\xe9.jpg", b"x\xff%.jpg", b"x%FF%25.jpg", b"plain%41.jpg"]
    for folder in (b"kl\xe4sse", b"kl%E4sse"):
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + folder))).mkdir()
        for name in names:
            file = os.fsencode(tmp_path) + b"/" + folder + b"/" + name
            Path(os.fsdecode(file)).write_bytes(folder + b"/" + name)
    dataset = read_dataset(tmp_path)
    assert len(dataset) == 8 and len(dataset.classes) == 2
    assert "kl%E4sse/caf%E9.jpg" in set(dataset.ids)
    "".join(dataset.ids).encode()  # valid Unicode throughout
    contents = {Path(file_path(dataset, row)).read_bytes() for row in range(len(dataset))}
    assert contents == {f + b"/" + n for f in (b"kl\xe4sse", b"kl%E4sse") for n in names}


def test_links_do_not_hang_and_are_followed_once(tmp_path: Path) -> None:
    root = plant(tmp_path / "set", "a/1.jpg", "b/1.jpg")
    plant(tmp_path / "elsewhere", "2.jpg")
    (root / "a" / "loop").symlink_to(root)
    (root / "b" / "self").symlink_to(root / "b")
    (root / "c").symlink_to(tmp_path / "elsewhere")
    (root / "d").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (root / "a" / "link.jpg").symlink_to(root / "a" / "1.jpg")
    os.mkfifo(root / "a" / "pipe.jpg")
    dataset = read_dataset(root, ReadOptions(follow_links=True))
    assert list(dataset.ids) == ["a/1.jpg", "a/link.jpg", "b/1.jpg", "c/2.jpg"]
    assert dataset.notes == (
        "Passed over: 2 link to a folder around it, 1 broken link, 1 link to a folder read before,"
        " 1 not a file.",
    )


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (("a/readme.txt", "b/x.mp4"), "No images in .*1 .mp4, 1 .txt"),
        ((), "No images in .*found 0 folders and nothing else"),
        (("1.jpg", "2.jpg"), "has 2 images, none of them in a folder"),
        (("a/1.jpg", "a/2.jpg"), "one class only, 'a'"),
        (("a/1.jpg", "b/.keep"), "one class only, 'a'"),
    ],
)
def test_unusable_folders_get_one_sentence(tmp_path: Path, files: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_dataset(plant(tmp_path, *files))


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("nowhere", DataError, "There is no .*nowhere"),
        ("n" * 300, DataError, "cannot be opened"),
        ("set.zip", UsageError, "is an archive; unpack it"),
        ("set.tar.gz", UsageError, "is an archive; unpack it"),
        ("photo.jpg", UsageError, "neither a folder nor a manifest"),
    ],
)
def test_unusable_sources_get_one_sentence(
    tmp_path: Path, name: str, error: type[Exception], sentence: str
) -> None:
    if name.startswith(("set", "photo")):
        plant(tmp_path, name)
    with pytest.raises(error, match=sentence):
        read_dataset(tmp_path / name)


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "b/1.jpg")
    with pytest.raises(UsageError, match="--layout takes auto, class, split/class, domain/class"):
        ReadOptions(layout="class/split")
    with pytest.raises(UsageError, match="--label-column is for manifests"):
        read_dataset(tmp_path, ReadOptions(label_column="label"))


def test_classes_csv_describes_classes(tmp_path: Path) -> None:
    plant(tmp_path, "01/1.jpg", "b/1.jpg")
    (tmp_path / "classes.csv").write_text('Class,Definition\n01,"round, ripe"\nz,none of these\n')
    dataset = read_dataset(tmp_path)
    assert dataset.descriptions == {"01": "round, ripe"}
    assert dataset.notes == ("classes.csv describes 1 class without samples: 'z'.",)
    (tmp_path / "classes.csv").write_text("x,y\n1,2\n")
    assert "No class descriptions" in read_dataset(tmp_path).notes[0]
