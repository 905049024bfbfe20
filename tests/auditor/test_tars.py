"""Tars: WebDataset shards, img2dataset's output and packed class folders, whole, torn and hostile."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from command import Command
from packed import audits_agree, goes_the_whole_way, make_tar, pictures_below, plant, run

from auditor.dataset import ReadOptions, read_dataset
from auditor.errors import DataError, UsageError
from auditor.results import Dataset
from auditor.sources.containers import Stamp
from auditor.sources.reopen import open_contents
from auditor.sources.tar_index import OpenFiles, Places, list_members


def rows_of(dataset: Dataset, *names: str) -> list[tuple[str, ...]]:
    return list(zip(*(dataset.table[n] for n in names), strict=True))


def samples(count: int, **files: object) -> list[tuple[str, object]]:
    """Members of `count` samples: suffix = content, or a function of the sample's number."""
    return [
        (f"{number:06d}.{suffix.replace('_', '.')}", said(number) if callable(said) else said)
        for number in range(count)
        for suffix, said in {"jpg": lambda n: b"picture %d" % n, **files}.items()
    ]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("planted") / "photos")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


def test_class_folders_in_a_tar_give_the_findings_of_class_folders(
    folders: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = pictures_below(folders)
    data = make_tar(
        tmp_path / "photos.tar", [(f"photos/{name}", content) for name, content in pictures.items()]
    )
    first = run(command, folders, tmp_path / "folders", tmp_path / "cache of folders")
    packed = run(command, data, tmp_path / "packed", tmp_path / "cache")
    audits_agree(first, packed, {name: f"photos.tar/photos/{name}" for name in pictures})
    goes_the_whole_way(command, monkeypatch, data, packed, tmp_path)


def test_shards_of_samples_give_the_findings_of_class_folders(
    folders: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = pictures_below(folders)
    classes = sorted({name.split("/")[0] for name in pictures})
    ids, shards = {}, [[], []]
    for number, (name, content) in enumerate(pictures.items()):
        shard = int(number >= 15)
        key = f"{number:06d}"
        shards[shard] += [(f"{key}.png", content), (f"{key}.cls", str(classes.index(name.split("/")[0])))]
        ids[name] = f"photos-{shard:04d}.tar/{key}.png"
    for number, members in enumerate(shards):
        make_tar(tmp_path / "shards" / f"photos-{number:04d}.tar", members)
    (tmp_path / "shards" / "classes.txt").write_text("\n".join(classes) + "\n")
    first = run(command, folders, tmp_path / "folders", tmp_path / "cache of folders")
    packed = run(command, tmp_path / "shards", tmp_path / "packed", tmp_path / "cache")
    audits_agree(first, packed, ids)
    goes_the_whole_way(command, monkeypatch, tmp_path / "shards", packed, tmp_path)


def test_labels_come_from_cls_as_text(tmp_path: Path) -> None:
    data = make_tar(
        tmp_path / "train-0000.tar", samples(4, cls=lambda n: "cat\n" if n % 2 else " dog ", txt="words")
    )
    dataset = read_dataset(data)
    assert rows_of(dataset, "id", "path", "label", "split") == [
        (f"train-0000.tar/{n:06d}.jpg", f"train-0000.tar/{n:06d}.jpg", "cat" if n % 2 else "dog", "train")
        for n in range(4)
    ]
    assert dataset.notes == ("Passed over inside the tars: 4 .txt.",)
    assert [dataset.contents.read(path) for path in dataset.table["path"]] == [
        b"picture %d" % n for n in range(4)
    ]
    assert dataset.name == "train-0000.tar" and dataset.contents.file(dataset.table["path"][0]) is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "cat\ndog\n"),
        ("classnames.txt", "\ufeffcat\r\ndog\r\n"),
        ("classes.csv", "class,description\ncat,purrs\ndog,barks\n"),
        ("classes.csv", "index,class\n1,dog\n0,cat\n"),
    ],
)
def test_an_index_is_a_class_where_the_classes_are_named(tmp_path: Path, file: str, text: str) -> None:
    make_tar(tmp_path / "set" / "0.tar", samples(4, cls=lambda n: n % 2))
    assert read_dataset(tmp_path / "set").classes == ("0", "1")
    (tmp_path / "set" / file).write_text(text, encoding="utf-8")
    dataset = read_dataset(tmp_path / "set")
    assert list(dataset.table["label"]) == ["cat", "dog", "cat", "dog"]
    assert dataset.notes == ()


def test_an_index_beyond_the_named_classes_stays_a_number_and_is_told(tmp_path: Path) -> None:
    make_tar(tmp_path / "set" / "0.tar", samples(4, cls=lambda n: n))
    (tmp_path / "set" / "classes.txt").write_text("cat\ndog\n")
    dataset = read_dataset(tmp_path / "set")
    assert list(dataset.table["label"]) == ["cat", "dog", "2", "3"]
    assert dataset.notes == (
        "Labels that stay numbers, as only 2 classes are named beside the tars: '2', '3'.",
    )


@pytest.mark.parametrize(
    ("said", "column", "label"),
    [
        ({"label": "cat"}, None, "cat"),
        ({"Class": " cat "}, None, "cat"),
        ({"category": 1, "label": None}, None, "1"),
        ({"label": 1.0}, None, "1.0"),
        ({"label": True}, None, "true"),
        ({"species": "cat", "label": "x"}, "species", "cat"),
        ({"Species": "cat"}, "species", "cat"),
    ],
)
def test_labels_come_from_json(tmp_path: Path, said: dict, column: str | None, label: str) -> None:
    other = dict.fromkeys(said, "other")
    data = make_tar(
        tmp_path / "0.tar", samples(4, json=lambda n: json.dumps(other if n % 2 else said), txt="a caption")
    )
    dataset = read_dataset(data, ReadOptions(label_column=column))
    assert list(dataset.table["label"]) == [label, "other"] * 2


def test_captions_are_classes_only_if_asked(tmp_path: Path) -> None:
    data = make_tar(tmp_path / "0.tar", samples(4, txt=lambda n: "cat" if n % 2 else "dog"))
    with pytest.raises(DataError, match=r"0.tar has 4 pictures and no labels: .*--label-column NAME"):
        read_dataset(data)
    assert read_dataset(data, ReadOptions(label_column="txt")).classes == ("cat", "dog")
    with pytest.raises(DataError, match=r"has a label 'kind': neither a file .kind, .*'.txt'"):
        read_dataset(data, ReadOptions(label_column="kind"))


def test_the_table_of_img2dataset_beside_each_tar_holds_labels(tmp_path: Path) -> None:
    for shard in range(2):
        keys = [f"{shard:05d}{n:04d}" for n in range(3)]
        members = [
            (f"{k}.{s}", data) for k in keys for s, data in (("jpg", b"x"), ("txt", "words"), ("json", "{}"))
        ]
        make_tar(tmp_path / "set" / f"{shard:05d}.tar", members)
        labels = ["cat", "dog", "cat"] if shard else ["dog", "cat", None]
        table = pd.DataFrame({"key": keys, "url": "https://x", "kind": labels})
        table.to_parquet(tmp_path / "set" / f"{shard:05d}.parquet")
        (tmp_path / "set" / f"{shard:05d}_stats.json").write_text("{}")
    dataset = read_dataset(tmp_path / "set", ReadOptions(label_column="kind"))
    assert list(dataset.table["label"]) == ["dog", "cat", "cat", "dog", "cat"]
    assert "Passed over: 2 .json." in dataset.notes
    assert "1 row without a label set aside." in dataset.notes
    assert read_dataset(tmp_path / "set" / "00001.tar", ReadOptions(label_column="kind")).classes == (
        "cat",
        "dog",
    )


@pytest.mark.parametrize(
    ("shards", "splits"),
    [
        (("train-0000.tar", "val-0000.tar"), ("train", "val")),
        (("train/0.tar", "test/0.tar"), ("test", "train")),
        (("flowers-Train-000000.tar", "flowers-validation-000000.tar"), ("Train", "validation")),
        (("a.tar", "train-test.tar"), ("", "")),
    ],
)
def test_the_split_is_in_the_names_of_the_tars(
    tmp_path: Path, shards: tuple[str, ...], splits: tuple[str, ...]
) -> None:
    for shard in shards:
        make_tar(tmp_path / "set" / shard, samples(2, cls=lambda n: n))
    dataset = read_dataset(tmp_path / "set")
    assert list(dataset.table["split"]) == [split for split in splits for _ in range(2)]


@pytest.mark.parametrize(
    ("names", "layout", "columns"),
    [
        (("cat/1.jpg", "dog/1.jpg", "dog/deep/2.jpg"), "auto", [("cat", "", ""), *[("dog", "", "")] * 2]),
        (("./set/cat/1.jpg", "./set/dog/1.jpg"), "auto", [("cat", "", ""), ("dog", "", "")]),
        (
            ("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg"),
            "auto",
            [("cat", "train", ""), ("dog", "train", ""), ("cat", "test", ""), ("dog", "test", "")],
        ),
        (
            ("x/photo/cat/1.jpg", "x/photo/dog/1.jpg", "x/sketch/cat/1.jpg"),
            "domain/class",
            [("cat", "", "photo"), ("dog", "", "photo"), ("cat", "", "sketch")],
        ),
        (("train/cat/1.jpg", "train/dog/1.jpg"), "class", None),
    ],
)
def test_folders_in_a_tar_are_read_like_folders(
    tmp_path: Path, names: tuple[str, ...], layout: str, columns: list[tuple[str, ...]] | None
) -> None:
    data = make_tar(tmp_path / "0.tar", [(name, b"x") for name in names])
    if columns is None:
        columns = [("cat", "", ""), ("dog", "", "")]  # what is around everything says nothing
    dataset = read_dataset(data, ReadOptions(layout=layout))
    assert rows_of(dataset, "label", "split", "domain") == columns


def test_a_layout_reads_folders_also_where_samples_have_labels(tmp_path: Path) -> None:
    members = [(f"{c}/{n}.{s}", b"x") for c in ("cat", "dog") for n in range(2) for s in ("jpg", "cls")]
    data = make_tar(tmp_path / "0.tar", members)
    assert read_dataset(data, ReadOptions(layout="class")).classes == ("cat", "dog")
    with pytest.raises(UsageError, match=r"--layout class reads the folders .*--label-column txt"):
        read_dataset(data, ReadOptions(layout="class", label_column="txt"))


def test_names_with_dots_are_pictures_of_their_own_in_class_folders(tmp_path: Path) -> None:
    names = ["cat/a.1.jpg", "cat/a.2.jpg", "dog/a.1.jpg", "dog/a.JPG"]
    data = make_tar(tmp_path / "0.tar", [(name, b"x") for name in names])
    assert list(read_dataset(data).table["path"]) == [f"0.tar/{name}" for name in names]


def test_several_pictures_of_a_sample_are_counted(tmp_path: Path) -> None:
    data = make_tar(tmp_path / "0.tar", samples(3, seg_png="mask", png="more", cls=lambda n: n))
    dataset = read_dataset(data)
    assert [path[-3:] for path in dataset.table["path"]] == ["jpg"] * 3
    assert dataset.notes == (
        "3 samples with several pictures, one of each is read and these are not: 3 .png, 3 .seg.png; "
        "--path-column SUFFIX chooses.",
    )
    chosen = read_dataset(data, ReadOptions(path_column="seg.png"))
    assert [chosen.contents.read(path) for path in chosen.table["path"]] == [b"mask"] * 3


def test_nothing_is_dropped_in_silence(tmp_path: Path) -> None:
    members = samples(2, cls=lambda n: n)
    members += [("000007.cls", "1"), ("000008.jpg", b"no label"), ("README", "words"), ("._a.jpg", b"mac")]
    data = make_tar(tmp_path / "0.tar", members)
    with tarfile.open(data, "a") as tar:
        for name, kind in (
            ("l.jpg", tarfile.SYMTYPE),
            ("h.jpg", tarfile.LNKTYPE),
            ("d.jpg", tarfile.CHRTYPE),
        ):
            about = tarfile.TarInfo(name)
            about.type, about.linkname = kind, "000000.jpg"
            tar.addfile(about)
        sparse = tarfile.TarInfo("s.jpg")
        sparse.type = tarfile.GNUTYPE_SPARSE
        tar.addfile(sparse)
    dataset = read_dataset(data)
    assert len(dataset) == 2
    assert dataset.notes == (
        "1 sample without a picture set aside.",
        "Passed over inside the tars: 1 device, 1 hard link, 1 hidden, 1 sparse file, 1 symbolic link,"
        " 1 without suffix.",
        "1 row without a label set aside.",
    )


def test_keys_that_stand_again_are_samples_of_their_own(tmp_path: Path) -> None:
    members = [
        ("a.jpg", b"first"),
        ("a.cls", "x"),
        ("a.jpg", b"second"),
        ("a.cls", "y"),
        ("a.jpg#2", "no picture"),
    ]
    dataset = read_dataset(make_tar(tmp_path / "0.tar", members))
    assert rows_of(dataset, "path", "label") == [("0.tar/a.jpg", "x"), ("0.tar/a.jpg#3", "y")]
    assert [dataset.contents.read(path) for path in dataset.table["path"]] == [b"first", b"second"]
    assert dataset.notes[0].startswith("1 sample with the key of another in the same tar")


HOSTILE = [
    "../../out.jpg", "/etc/passwd.jpg", "a/../../b.jpg", "..", "n\nl.jpg", "<img src=x>.jpg", "=1+1.jpg",
    "caf\udce9.jpg", "100%41.jpg", "n" * 300 + ".jpg", "😀.jpg",
]  # fmt: skip


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_hostile_names_stay_names(tmp_path: Path, form: int) -> None:
    file = tmp_path / "0.tar"
    with tarfile.open(file, "w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for label in ("a", "b"):
            for name in HOSTILE:
                about = tarfile.TarInfo(f"{label}/{name}")
                about.size = len(data := name.encode("utf-8", "surrogateescape"))
                tar.addfile(about, io.BytesIO(data))
    dataset = read_dataset(file, ReadOptions(layout="class"))
    wanted = [name.encode("utf-8", "surrogateescape") for name in HOSTILE if name.endswith(".jpg")]
    paths = [path for path, label in rows_of(dataset, "path", "label") if label == "a"]
    assert [dataset.contents.read(path) for path in paths] == wanted
    for path in dataset.table["path"]:
        path.encode()  # valid text
        assert os.path.normpath(path) == path and path.startswith("0.tar/")
    assert [p.name for p in tmp_path.iterdir()] == ["0.tar"]


def test_a_tar_that_is_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "whole.tar", samples(6, cls=lambda n: n % 2))
    data = whole.read_bytes()
    picture = data.index(b"picture 4")
    for cut, said in (
        (picture + 4, "cut off"),
        (picture - 300, "cut off"),
        (picture - 512, "without an end mark"),
    ):
        file = tmp_path / "0.tar"
        file.write_bytes(data[:cut])
        dataset = read_dataset(file)
        assert len(dataset) == 4, cut
        assert any(note.startswith(f"Tars that are not whole: 0.tar {said}") for note in dataset.notes), cut


def test_a_picture_that_is_cut_off_is_unreadable_with_the_reason(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "whole.tar", [(f"{c}/{n}.jpg", b"x" * 2000) for c in "ab" for n in range(3)])
    file = tmp_path / "0.tar"
    file.write_bytes(whole.read_bytes()[: 6 * 2560 - 700])
    dataset = read_dataset(file)
    assert len(dataset) == 6 and dataset.notes == ("Tars that are not whole: 0.tar cut off after 6 files.",)
    assert dataset.contents.read("0.tar/b/1.jpg") == b"x" * 2000
    with pytest.raises(DataError, match=r"0.tar ends in the middle of it"):
        dataset.contents.read("0.tar/b/2.jpg")


def test_a_damaged_header_ends_what_is_read_and_is_told(tmp_path: Path) -> None:
    file = make_tar(tmp_path / "0.tar", [(f"{c}/{n}.jpg", b"x") for c in "ab" for n in range(3)])
    data = bytearray(file.read_bytes())
    data[5 * 1024 + 150] ^= 0xFF  # the sixth checksum
    file.write_bytes(data)
    dataset = read_dataset(file)
    assert len(dataset) == 5 and dataset.notes == ("Tars that are not whole: 0.tar damaged after 5 files.",)


def test_what_follows_the_end_mark_is_told(tmp_path: Path) -> None:
    file = make_tar(tmp_path / "0.tar", [(f"{c}/{n}.jpg", b"x") for c in "ab" for n in range(3)])
    with file.open("ab") as tar:
        tar.write(file.read_bytes())
    (note,) = read_dataset(file).notes
    assert "goes on for" in note and "after its end mark" in note


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"not a tar at all" * 100, "no tar"),
        (gzip.compress(b"x" * 5000), "compressed with gzip: unpack it to a plain .tar"),
        (b"BZh91AY", "compressed with bzip2"),
        (bytes(10240), "No pictures in 0.tar: found nothing inside"),
    ],
    ids=["nothing", "text", "gzip", "bzip2", "zeros"],
)
def test_what_is_no_plain_tar_says_so(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "0.tar").write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_dataset(tmp_path / "0.tar")


def test_a_tar_that_is_damaged_beside_good_ones_is_told(tmp_path: Path) -> None:
    make_tar(tmp_path / "set" / "0.tar", samples(4, cls=lambda n: n % 2))
    (tmp_path / "set" / "1.tar").write_bytes(gzip.compress(b"x"))
    dataset = read_dataset(tmp_path / "set")
    assert len(dataset) == 4 and "1.tar compressed with gzip" in dataset.notes[0]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar.zst", "a.tar.xz"])
def test_compressed_tars_are_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=r"compressed.* plain \.tar.*at random"):
        read_dataset(tmp_path / name)
    with pytest.raises(DataError, match=r"compressed.* plain \.tar.*at random"):
        read_dataset(tmp_path)


def test_a_pipe_is_no_tar(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0.tar")
    with pytest.raises(UsageError, match=r"0.tar is an archive"):
        read_dataset(tmp_path / "0.tar")
    make_tar(tmp_path / "1.tar", samples(2, cls=lambda n: n))
    assert read_dataset(tmp_path).notes == ("Passed over: 1 not a file.",)


def test_pictures_in_folders_come_before_tars(tmp_path: Path) -> None:
    make_tar(tmp_path / "old.tar", samples(4, cls=lambda n: n % 2))
    for name in ("cat/1.jpg", "dog/1.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("cat", "dog") and dataset.notes == ("Passed over: 1 .tar.",)


def test_links_out_of_the_folder_are_followed_only_if_asked(tmp_path: Path) -> None:
    for name in ("blobs/a", "blobs/b", "set/2.tar"):
        make_tar(tmp_path / name, samples(2, cls=lambda n: n))
    for number, name in enumerate("ab"):
        (tmp_path / "set" / f"{number}.tar").symlink_to(f"../blobs/{name}")
    dataset = read_dataset(tmp_path / "set")
    said = "Not followed: 2 links out of the dataset, the first is '0.tar'; --follow-links follows them."
    assert len(dataset) == 2 and dataset.notes == (said,)
    assert len(read_dataset(tmp_path / "set", ReadOptions(follow_links=True))) == 6
    (tmp_path / "set" / "2.tar").unlink()
    with pytest.raises(DataError, match=r"set holds no pictures. Not followed: 2 links"):
        read_dataset(tmp_path / "set")


def test_many_threads_read_what_one_does(tmp_path: Path) -> None:
    for shard in range(5):
        make_tar(tmp_path / "set" / f"{shard}.tar", samples(40, cls=lambda n: n % 2))
    dataset = read_dataset(tmp_path / "set")
    dataset.contents._files._limit = 2
    paths = list(dataset.table["path"]) * 3
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(dataset.contents.read, paths))
    assert read == [b"picture %d" % int(path[-10:-4]) for path in paths]
    assert len(dataset.contents._files) <= 2


def open_count() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts the process's descriptors")
def test_files_are_closed(tmp_path: Path) -> None:
    before = open_count()
    for shard in range(5):
        make_tar(tmp_path / "set" / f"{shard}.tar", samples(4, cls=lambda n: n % 2))
    dataset = read_dataset(tmp_path / "set")
    assert open_count() == before
    for path in dataset.table["path"]:
        dataset.contents.read(path)
    assert open_count() == before + 5
    del dataset
    assert open_count() == before


def test_a_file_in_use_is_not_closed(tmp_path: Path) -> None:
    files = OpenFiles(limit=1)
    for name in "ab":
        (tmp_path / name).write_bytes(name.encode())
    with files.opened(str(tmp_path / "a")) as (first, _), files.opened(str(tmp_path / "b")):
        assert os.pread(first, 1, 0) == b"a" and len(files) == 2
    assert len(files) == 1


def test_a_tar_that_changes_is_never_read_as_the_old_one(tmp_path: Path) -> None:
    file = make_tar(tmp_path / "0.tar", samples(4, cls=lambda n: n % 2))
    dataset = read_dataset(file)
    path = dataset.table["path"][0]
    key = dataset.contents.key(path)
    os.utime(file, ns=(1, 1))
    with pytest.raises(DataError, match=r"0.tar has changed since it was listed"):
        dataset.contents.read(path)
    other = read_dataset(file).contents
    assert other.key(path) != key
    file.unlink()
    with pytest.raises(DataError, match=r"0.tar, which holds it, does not exist"):
        other.read(path)


def test_keys_tell_pictures_and_tars_apart(tmp_path: Path) -> None:
    for name in ("0.tar", "1.tar"):
        make_tar(tmp_path / "set" / name, samples(4, cls=lambda n: n % 2))
    dataset = read_dataset(tmp_path / "set")
    keys = [dataset.contents.key(path) for path in dataset.table["path"]]
    assert len({*keys, ""}) == 9
    assert keys == [read_dataset(tmp_path / "set").contents.key(path) for path in dataset.table["path"]]


def test_contents_come_back_from_their_document(tmp_path: Path) -> None:
    make_tar(tmp_path / "set" / "0.tar", samples(4, cls=lambda n: n % 2))
    contents = read_dataset(tmp_path / "set").contents
    path = "0.tar/000003.jpg"
    again = open_contents(json.loads(json.dumps(contents.document())))
    for other in (again, pickle.loads(pickle.dumps(contents))):
        assert other.read(path) == contents.read(path) and other.key(path) == contents.key(path)
        assert other.document() == contents.document() and other.place == contents.place
    for wrong in ("0.tar/000003.png", "1.tar/000003.jpg", "000003.jpg", ""):
        with pytest.raises(DataError):
            again.read(wrong)
        assert again.key(wrong) == "" or wrong.startswith("0.tar")
    shutil.rmtree(tmp_path / "set")
    gone = open_contents(contents.document())
    with pytest.raises(DataError, match=r"0.tar, which holds it, does not exist"):
        gone.read(path)
    assert gone.key(path) == ""


def test_an_index_takes_two_dozen_bytes_a_picture(tmp_path: Path) -> None:
    file = make_tar(tmp_path / "0.tar", [(f"{c}/{n}.jpg", b"x") for c in "ab" for n in range(500)])
    places = read_dataset(file).contents._places["0.tar"]
    assert len(places) == 1000 and places.nbytes == 24_000


def test_names_with_equal_hashes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    whole = Places._hash
    monkeypatch.setattr(
        Places, "_hash", lambda self, name: whole(self, name) % (7 if self._salt < 2 else 1 << 60)
    )
    places = Places([str(n) for n in range(50)], np.arange(50), np.arange(50) * 2, Stamp(0, 0))
    assert [places.find(str(n)) for n in range(50)] == [(n, 2 * n) for n in range(50)]
    assert places._salt == 2 and places.find("50") is None


def test_a_header_that_leads_back_ends_the_reading(tmp_path: Path) -> None:
    file = make_tar(tmp_path / "0.tar", [(f"{c}/{n}.jpg", b"x") for c in "ab" for n in range(3)])
    data = bytearray(file.read_bytes())
    size = (-2048) & ((1 << 88) - 1)  # base 256, negative: the next header would be an earlier one
    data[3 * 1024 + 124 : 3 * 1024 + 136] = b"\xff" + size.to_bytes(11, "big")
    data[3 * 1024 + 148 : 3 * 1024 + 156] = b" " * 8
    data[3 * 1024 + 148 : 3 * 1024 + 156] = b"%06o\0 " % sum(data[3 * 1024 : 3 * 1024 + 512])
    file.write_bytes(data)
    done = threading.Event()

    def read() -> None:
        assert list_members(str(file)).faults == ["damaged after 3 files"]
        done.set()

    threading.Thread(target=read, daemon=True).start()
    assert done.wait(10)
