"""Datasets from Python: pairs, torch datasets, views of them; pictures and labels stay what they are."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from pictures import make_folders, picture
from PIL import Image
from torch.utils.data import ConcatDataset, IterableDataset, Subset, TensorDataset, random_split
from torchvision import transforms
from torchvision.datasets import DatasetFolder, ImageFolder, VisionDataset

import auditor
from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.images import decode_rgb, read_image_at
from auditor.results import Dataset
from auditor.sources.object_contents import ObjectPictures, open_objects

NAMES = ("rings", "steps", "waves")
Pixels = NDArray[np.uint8]


class Items:
    """A dataset in memory: `pictures` (n, h, w, 3), `labels` (n,); counts how often each is taken."""

    def __init__(self, count: int = 12, form: Callable[[Pixels], Any] = Image.fromarray) -> None:
        self.pictures = [picture(i % 3, i) for i in range(count)]
        self.codes = [i % 3 for i in range(count)]
        self.form = form
        self.taken: Counter[int] = Counter()
        self.at_once = self.most_at_once = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.taken[index] += 1
        made = self.form(self.pictures[index]), self.codes[index]
        self.at_once -= 1
        return made


class Listed(Items):
    classes = NAMES

    @property
    def targets(self) -> Any:
        return torch.tensor(self.codes)


def pixels_of(dataset: Dataset) -> list[Pixels]:
    return [decode_rgb(dataset.contents.read(path)) for path in dataset.table["path"]]


def labels_of(dataset: Dataset) -> list[str]:
    return list(dataset.table["label"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folders(tmp_path / "photos", each=4)


FORMS: dict[str, Callable[[Pixels], Any]] = {
    "image": Image.fromarray,
    "array": lambda rgb: rgb,
    "channels first": lambda rgb: np.ascontiguousarray(np.moveaxis(rgb, 2, 0)),
    "not contiguous": lambda rgb: np.repeat(rgb, 2, axis=0)[::2],
    "tensor": lambda rgb: torch.from_numpy(rgb.copy()).permute(2, 0, 1),
    "tensor, channels last": lambda rgb: torch.from_numpy(rgb.copy()),
    "float tensor": lambda rgb: transforms.functional.to_tensor(rgb),
    "float64": lambda rgb: rgb / 255,
    "int64": lambda rgb: torch.from_numpy(rgb.astype(np.int64)),
    "uint16": lambda rgb: rgb.astype(np.uint16) * 257,
    "grad": lambda rgb: transforms.functional.to_tensor(rgb).requires_grad_(),
}


@pytest.mark.parametrize("form", FORMS)
def test_pixels_are_those_of_the_item_whatever_its_form(form: str) -> None:
    items = Items(form=FORMS[form])
    found = read_dataset(items, ReadOptions(classes=NAMES))
    for made, expected in zip(pixels_of(found), items.pictures, strict=True):
        np.testing.assert_array_equal(made, expected)
    assert labels_of(found) == [NAMES[c] for c in items.codes]
    assert found.classes == NAMES and found.name == "Items"
    assert list(found.ids[:2]) == ["00000.png", "00001.png"]


def test_what_is_no_picture_is_unreadable_with_the_reason() -> None:
    items = Items(form=lambda rgb: rgb)
    items.pictures[4] = items.pictures[4] - 7.0
    found = read_dataset(items)
    rgb, facts = read_image_at(found.contents, "00004.png")
    assert rgb is None and "without normalisation" in facts.error
    assert read_image_at(found.contents, "00005.png")[1].readable


@pytest.mark.parametrize("keys", [("image", "label"), ("img", "fine_label"), ("pixel_values", "labels")])
def test_items_may_be_dicts(keys: tuple[str, str]) -> None:
    class Dicts(Items):
        def __getitem__(self, index: int) -> Any:
            return dict(zip(keys, super().__getitem__(index), strict=True))

    items = Dicts()
    found = read_dataset(items)
    np.testing.assert_array_equal(pixels_of(found)[3], items.pictures[3])
    assert labels_of(found) == [str(c) for c in items.codes]


def test_paths_and_bytes_in_items_are_files(folder: Path) -> None:
    files = sorted(folder.rglob("*.png"))
    for form in (str, lambda file: file, lambda file: file.read_bytes()):
        found = read_dataset(([form(f) for f in files], [f.parent.name for f in files]))
        for path, file in zip(found.table["path"], files, strict=True):
            assert found.contents.read(path) == file.read_bytes()
        assert labels_of(found) == [f.parent.name for f in files]


def test_labels_come_from_the_list_that_a_dataset_keeps() -> None:
    items = Listed(300)
    found = read_dataset(items)
    assert labels_of(found) == [NAMES[c] for c in items.codes]
    assert sum(items.taken.values()) == 16 and not found.notes


def test_a_list_that_says_otherwise_than_the_items_is_not_used() -> None:
    class Turned(Listed):
        def __getitem__(self, index: int) -> Any:
            made, code = super().__getitem__(index)
            return made, (code + 1) % 3

    items = Turned()
    found = read_dataset(items)
    assert labels_of(found) == [NAMES[(c + 1) % 3] for c in items.codes]
    assert found.notes == ("Labels of 12 items were taken by one pass over them.",)


def test_labels_may_be_numbers_of_many_kinds_or_text() -> None:
    given = [
        1,
        np.int64(0),
        torch.tensor(1),
        np.array(0),
        True,
        0.0,
        torch.tensor([1]),
        np.array([0]),
        "ü",
        None,
    ]
    found = read_dataset(([picture(0, i) for i in range(10)], given))
    assert labels_of(found) == ["1", "0", "1", "0", "1", "0", "1", "0", "ü"]
    assert found.notes[-1] == "1 row without a label set aside."


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (3, "Label 3 has no name: there are 3 classes, from 0"),
        (-1, "Label -1 has no name"),
        (0.5, "a whole number or text"),
        (np.zeros(10), r"of shape \(10,\): each picture needs one class"),
        ([0, 1], r"a list \[0, 1\]"),
    ],
)
def test_labels_that_are_none_get_one_sentence(label: object, words: str) -> None:
    items = Items()
    items.codes[2] = label  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=words):
        read_dataset(items, ReadOptions(classes=NAMES))


def test_an_image_folder_is_read_as_its_files(folder: Path) -> None:
    (folder / "rings" / "broken.png").write_bytes(b"no picture")
    shaken = transforms.Compose([transforms.RandomCrop(10), transforms.ToTensor()])
    found, here = read_dataset(ImageFolder(str(folder), transform=shaken)), read_dataset(folder)
    assert found.table.equals(here.table) and found.name == here.name and found.notes == here.notes
    for path in here.table["path"]:
        assert found.contents.read(path) == here.contents.read(path)
        assert found.contents.key(path) == here.contents.key(path) != ""
    audits = [auditor.run_audit(d, auditor.AuditSettings(backbone="bundled")) for d in (found, here)]
    assert audits[0].findings_frame().equals(audits[1].findings_frame())


def test_a_relative_image_folder_and_its_views(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    whole = ImageFolder("photos")
    first, second = random_split(whole, [5, 7], torch.Generator().manual_seed(0))
    found = read_dataset(ConcatDataset([second, first]))
    order = [*second.indices, *first.indices]
    files = [str(Path(whole.samples[i][0]).relative_to("photos")) for i in order]
    assert list(found.table["path"]) == files
    assert labels_of(found) == [Path(f).parent.name for f in files]


def test_two_image_folders_start_from_their_common_one(tmp_path: Path) -> None:
    parts = [make_folders(tmp_path / "all" / name, each=2) for name in ("train", "val")]
    found = read_dataset(ConcatDataset([ImageFolder(str(part)) for part in parts]))
    assert found.name == "all" and len(found) == 12
    assert (
        found.table["path"].iat[0] == "train/rings/0.png" and found.table["path"].iat[-1] == "val/waves/1.png"
    )


def test_a_folder_with_a_loader_of_its_own_is_taken_item_by_item(tmp_path: Path) -> None:
    for kind, name in enumerate(NAMES):
        (tmp_path / name).mkdir()
        for number in range(3):
            np.save(tmp_path / name / f"{number}.npy", picture(kind, number))
    found = read_dataset(DatasetFolder(str(tmp_path), np.load, extensions=(".npy",)))
    np.testing.assert_array_equal(pixels_of(found)[4], picture(1, 1))
    assert labels_of(found) == [name for name in NAMES for _ in range(3)]


def test_targets_that_are_turned_lose_their_names(folder: Path) -> None:
    found = read_dataset(ImageFolder(str(folder), target_transform=lambda code: int(code > 0)))
    assert Counter(labels_of(found)) == {"0": 4, "1": 8}
    named = read_dataset(
        ImageFolder(str(folder), target_transform=lambda code: int(code > 0)), ReadOptions(classes=("a", "b"))
    )
    assert Counter(labels_of(named)) == {"a": 4, "b": 8}


def test_files_and_objects_side_by_side(folder: Path) -> None:
    items, files = Listed(6), ImageFolder(str(folder))
    found = read_dataset(ConcatDataset([items, Subset(files, [5, 0])]))
    assert list(found.table["path"])[-2:] == ["00006.png", "00007.png"]
    assert labels_of(found)[-2:] == ["steps", "rings"]
    assert found.contents.read("00006.png") == Path(files.samples[5][0]).read_bytes()
    assert (
        found.contents.file("00006.png") == files.samples[5][0] and found.contents.file("00000.png") is None
    )
    assert found.contents.key("00006.png") and not found.contents.key("00000.png")
    np.testing.assert_array_equal(pixels_of(found)[2], items.pictures[2])


def test_a_subclass_of_a_view_keeps_its_own_items() -> None:
    class Inverted(Subset):  # type: ignore[type-arg]
        def __getitem__(self, index: int) -> Any:
            made, code = super().__getitem__(index)
            return 255 - np.asarray(made), code

        def __getitems__(self, indices: list[int]) -> Any:
            return [self[i] for i in indices]

    items = Items()
    found = read_dataset(Inverted(items, range(6)))
    np.testing.assert_array_equal(pixels_of(found)[4], 255 - items.pictures[4])


def test_torchvision_and_torch_datasets(tmp_path: Path) -> None:
    class Vision(VisionDataset):
        def __init__(self) -> None:
            super().__init__(str(tmp_path), transform=transforms.ToTensor())
            self.data, self.targets, self.classes = Listed().pictures, Listed().codes, list(NAMES)

        def __getitem__(self, index: int) -> Any:
            return self.transform(self.data[index]), self.targets[index]  # type: ignore[misc]

        def __len__(self) -> int:
            return len(self.data)

    found = read_dataset(Vision())
    np.testing.assert_array_equal(np.array(pixels_of(found)), np.array(Listed().pictures))
    assert labels_of(found) == [NAMES[c] for c in Listed().codes]
    values = torch.rand(6, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    tensors = read_dataset(TensorDataset(values, torch.arange(6) % 2))
    np.testing.assert_array_equal(pixels_of(tensors)[5], (values[5] * 255).round().byte().permute(1, 2, 0))
    assert labels_of(tensors) == ["0", "1"] * 3


def test_random_transforms_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    items = Listed(form=lambda rgb: rng.integers(0, 256, rgb.shape, dtype=np.uint8))
    found = read_dataset(items)
    assert found.notes[0].startswith(
        "8 of 8 items taken twice gave another picture the second time: give the"
    )
    assert labels_of(found) == [NAMES[c] for c in items.codes]
    found.contents.read("00003.png")
    with pytest.warns(UserWarning, match="item 3 is another picture than when it was judged"):
        found.contents.read("00003.png")


def test_one_item_is_taken_at_a_time() -> None:
    items = Items(40)
    found = read_dataset(items)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(found.contents.read, found.table["path"]))
    assert items.most_at_once == 1


def test_items_that_raise_are_unreadable_with_the_reason() -> None:
    class Broken(Listed):
        def __getitem__(self, index: int) -> Any:
            if index in (0, 5):
                raise RuntimeError(f"disk {index} is gone")
            return super().__getitem__(index) if index != 6 else (7,)

    found = read_dataset(Broken())
    assert len(found) == 12
    reasons = [read_image_at(found.contents, f"0000{i}.png")[1].error for i in (0, 5, 6, 7)]
    assert reasons[:2] == [f"the dataset raised RuntimeError: disk {i} is gone" for i in (0, 5)]
    assert "not (picture, label)" in reasons[2] and reasons[3] == ""


@pytest.mark.parametrize("form", [str, Path, "relative"])
def test_paths_and_labels(folder: Path, form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    files = sorted(folder.rglob("*.png"))
    paths = [str(f.relative_to(folder.parent)) if form == "relative" else form(f) for f in files]
    codes = np.array([NAMES.index(f.parent.name) for f in files])
    found = read_dataset((paths, codes), ReadOptions(classes=NAMES))
    here = read_dataset(folder)
    assert list(found.ids) == [f"photos/{i}" for i in here.ids] and found.name == "photos"
    assert labels_of(found) == labels_of(here)
    rooted = read_dataset((list(here.ids), labels_of(here)), ReadOptions(root=folder))
    assert rooted.table.equals(here.table)


def test_columns_of_a_frame_are_paths_and_labels(folder: Path) -> None:
    frame = pd.DataFrame({"path": [str(f) for f in sorted(folder.rglob("*.png"))]})
    frame["label"] = [Path(p).parent.name for p in frame["path"]]
    frame = frame.iloc[::-1]  # its index is not its order
    found = read_dataset((frame["path"], frame["label"]))
    assert labels_of(found) == list(frame["label"]) and found.name == "photos"
    assert found.table["path"].iat[0] == "waves/3.png"


def test_paths_are_looked_up_as_a_manifest_s_are(folder: Path) -> None:
    files = [str(f) for f in sorted(folder.rglob("*.png"))]
    labels = [Path(f).parent.name for f in files]
    found = read_dataset(
        ([*files, files[0], str(folder / "gone.png"), ""], [*labels, labels[0], "rings", "rings"])
    )
    assert found.notes == (
        "Set aside 1 row whose file does not exist: 'gone.png' and 1 row without a path.",
        "1 repeated row collapsed into one each.",
    )
    with pytest.raises(DataError, match="None of the 2 paths"):
        read_dataset((["nowhere/a.png", "nowhere/b.png"], ["a", "b"]))


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ((["a.png"], ["x", "y"]), ReadOptions(), "1 path and 2 labels"),
        (("a.png", "b.png"), ReadOptions(), "as a pair of"),
        (["a.png", "b.png"], ReadOptions(), "as a pair of"),
        ((["a.png"],), ReadOptions(), "this tuple has 1 part"),
        (7, ReadOptions(), "this int is neither"),
        (iter([]), ReadOptions(), "is neither"),
        (
            Items(),
            ReadOptions(layout="class"),
            "--layout is for folders and manifests, not for a Items object",
        ),
        (Items(), ReadOptions(label_column="y"), "--label-column is for"),
        (Items(0), ReadOptions(), "has no items"),
    ],
)
def test_what_is_no_dataset_gets_one_sentence(source: object, options: ReadOptions, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_dataset(source, options)


def test_run_audit_takes_what_read_dataset_returns() -> None:
    with pytest.raises(UsageError, match="takes what read_dataset returns, and this is a Items"):
        auditor.run_audit(Items())  # type: ignore[arg-type]


def test_an_address_is_given_as_text() -> None:
    with pytest.raises(DataError, match="There is no 's3:/box/photos'; an address is given as text"):
        read_dataset(Path("s3://box/photos"))


def test_a_stream_is_no_dataset() -> None:
    class Stream(IterableDataset):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return iter([])

    with pytest.raises(UsageError, match="Stream is neither"):
        read_dataset(Stream())


def test_an_audit_of_objects_is_that_of_the_same_files(tmp_path: Path) -> None:
    items = Listed(30)
    files = tmp_path / "files"
    for index, rgb in enumerate(items.pictures):
        file = files / NAMES[items.codes[index]] / f"{index:05}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rgb).save(file)
    paths = sorted(files.rglob("*.png"), key=lambda f: f.name)
    settings = auditor.AuditSettings(backbone="bundled")
    first = auditor.run_audit(auditor.read_dataset(items), settings)
    second = auditor.run_audit(auditor.read_dataset((paths, [f.parent.name for f in paths])), settings)
    np.testing.assert_array_equal(first.embeddings.vectors, second.embeddings.vectors)
    kinds = [[(f.kind, f.score, f.suggested_label) for f in a.findings] for a in (first, second)]
    assert kinds[0] == kinds[1]
    assert set(items.taken.values()) <= {1, 3}  # once for the audit; a few were tried while reading


def test_contents_of_objects_are_gone_when_an_audit_is_loaded() -> None:
    found = read_dataset(Listed())
    again = open_objects(found.contents.document())
    assert again.place == found.contents.place == "the Python object Listed"
    with pytest.raises(DataError, match="which is gone"):
        again.read("00000.png")
    assert (again.key("00000.png"), again.file("00000.png")) == ("", None)
    assert again.document() == found.contents.document()


def test_contents_of_objects_travel_to_other_processes() -> None:
    found = read_dataset(TensorDataset(torch.rand(4, 3, 8, 8), torch.arange(4) % 2))
    moved = pickle.loads(pickle.dumps(found.contents))
    assert isinstance(moved, ObjectPictures)
    assert moved.read("00002.png") == found.contents.read("00002.png")


def test_waiting_for_the_dataset_holds_no_thread_for_ever() -> None:
    items = Items()
    found = read_dataset(items)
    items.form = lambda rgb: (_ for _ in ()).throw(RuntimeError("once"))
    with pytest.raises(DataError, match="once"):
        found.contents.read("00000.png")
    items.form = Image.fromarray
    done = threading.Thread(target=found.contents.read, args=("00001.png",))
    done.start()
    done.join(5)
    assert not done.is_alive()
