"""Whatever a tar, a Parquet file with pictures or a saved dataset holds: a dataset or one sentence."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fuzzing import ODD_TEXTS, Fuzz, spoiled, spoiled_json
from hypothesis import strategies as st

from auditor.dataset import Dataset, ReadOptions, read_dataset
from auditor.errors import AuditError
from auditor.results import TABLE_COLUMNS
from auditor.sources.reopen import open_contents

SENTENCE_CHARACTERS = 4000
STORED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def hold(source: Path, options: ReadOptions) -> None:
    """Read a source: a dataset whose pictures are bytes or a reason, or an `AuditError` of one sentence."""
    try:
        dataset = read_dataset(source, options)
    except AuditError as error:
        assert 0 < len(str(error)) <= SENTENCE_CHARACTERS and "\n" not in str(error), str(error)
        return
    assert_sound(dataset)


def assert_sound(dataset: Dataset) -> None:
    assert tuple(dataset.table.columns) == TABLE_COLUMNS and len(dataset) >= len(dataset.classes) >= 2
    again = open_contents(json.loads(json.dumps(dataset.contents.document())))
    for path in dataset.table["path"]:
        assert path.encode().decode() == path and ".." not in path.split("/")
        for contents in (dataset.contents, again):
            assert isinstance(contents.key(path), str)
            try:
                assert isinstance(contents.read(path), bytes)
            except AuditError as error:
                assert 0 < len(str(error)) <= SENTENCE_CHARACTERS and "\n" not in str(error), str(error)
    assert all(len(note) <= SENTENCE_CHARACTERS for note in dataset.notes)


OPTIONS = st.sampled_from(
    (
        ReadOptions(),
        ReadOptions(layout="class"),
        ReadOptions(label_column="txt"),
        ReadOptions(path_column="seg.png"),
        ReadOptions(images=False),
    )
)


def tar_of(form: int, *names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for number, name in enumerate(names):
            about = tarfile.TarInfo(name)
            data = [b"cat", b"dog", b'{"label": "cat"}', b'{"label": 1}'][number % 4]
            if name.endswith("link"):
                about.type, about.linkname = tarfile.SYMTYPE, "../../x"
                data = b""
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return out.getvalue()


def sparse_tar() -> bytes:
    """A file with holes, as GNU tar writes it, beside class folders."""
    data = bytearray(tar_of(tarfile.GNU_FORMAT, "a/1.jpg", "b/1.jpg", "b/2.jpg"))
    data[156:157] = tarfile.GNUTYPE_SPARSE
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


SAMPLES = tuple(f"{n:03d}.{s}" for n in range(4) for s in ("jpg", "cls", "json", "txt", "seg.png"))
FOLDERS = (
    "cat/1.jpg",
    "dog/1.jpg",
    "dog/" + "n" * 200 + ".png",
    "dog/caf\udce9.jpg",
    "dog/link",
    "dog/a/../b.jpg",
)
TARS = (
    *(
        tar_of(form, *names)
        for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
        for names in (SAMPLES, FOLDERS)
    ),
    tar_of(tarfile.USTAR_FORMAT, *SAMPLES),
    sparse_tar(),
)


def test_any_tar_is_a_dataset_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    file = tmp_path / "t.tar"

    def check(data: bytes, options: ReadOptions) -> None:
        file.write_bytes(data)
        hold(file, options)

    fuzz("tars", check, data=spoiled(TARS), options=OPTIONS)


def sealed(data: bytes) -> bytes:
    """Make the checksums of all headers right again, so that a change inside one is read."""
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


def test_any_header_with_a_right_checksum_is_a_dataset_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    file = tmp_path / "t.tar"

    def check(data: bytes, options: ReadOptions) -> None:
        file.write_bytes(sealed(data))
        hold(file, options)

    fuzz("tar headers", check, data=spoiled(TARS), options=OPTIONS)


def test_any_json_of_a_sample_is_a_label_or_none(fuzz: Fuzz, tmp_path: Path) -> None:
    file = tmp_path / "t.tar"
    documents = [{"label": "cat", "url": "x"}, {"Class": 3, "other": [1, {"label": "x"}]}, ["label"], "label"]

    def check(said: list[bytes], options: ReadOptions) -> None:
        with tarfile.open(file, "w") as tar:
            for number, data in enumerate(said):
                for name, content in ((f"{number}.jpg", b"x"), (f"{number}.json", data)):
                    about = tarfile.TarInfo(name)
                    about.size = len(content)
                    tar.addfile(about, io.BytesIO(content))
        hold(file, options)

    options = st.sampled_from((ReadOptions(), ReadOptions(label_column="Class")))
    fuzz(
        "samples' labels",
        check,
        said=st.lists(spoiled_json(documents), min_size=2, max_size=4),
        options=options,
    )


def parquet_of(table: pa.Table, **how: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **how)
    return out.getvalue()


def picture_table(kind: pa.DataType) -> pa.Table:
    images = [{"bytes": b"picture %d" % n, "path": f"{n}.jpg"} for n in range(6)]
    images[2] = {"bytes": None, "path": "../1.jpg"}
    values = images if pa.types.is_struct(kind) else [image["bytes"] for image in images]
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    table = pa.table({"image": pa.array(values, kind), "label": [0, 1] * 3, "split": ["train"] * 6})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


PARQUETS = (
    *(parquet_of(picture_table(kind), row_group_size=4) for kind in (STORED, pa.binary(), pa.large_binary())),
    parquet_of(picture_table(STORED), use_dictionary=False, compression="zstd", data_page_version="2.0"),
)


def test_any_parquet_with_pictures_is_a_dataset_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"

    def check(data: bytes, options: ReadOptions) -> None:
        file.write_bytes(data)
        hold(file, options)

    options = st.sampled_from((ReadOptions(), ReadOptions(path_column="image"), ReadOptions(images=False)))
    fuzz("Parquet with pictures", check, data=spoiled(PARQUETS), options=options)


def test_any_features_and_texts_are_a_dataset_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}

    def check(said: bytes, names: list[str], labels: list[object]) -> None:
        images = [{"bytes": b"x", "path": name.encode("utf-8", "replace").decode()} for name in names]
        table = pa.table({"image": pa.array(images, STORED), "label": pa.array(labels[: len(names)])})
        pq.write_table(table.replace_schema_metadata({"huggingface": said}), file)
        hold(file, ReadOptions())

    fuzz(
        "features",
        check,
        said=spoiled_json([{"info": {"features": features}}]),
        names=st.lists(st.sampled_from(ODD_TEXTS) | st.text(max_size=8), min_size=2, max_size=5),
        labels=st.lists(st.integers(-2, 5) | st.none(), min_size=5, max_size=5),
    )


def test_any_saved_dataset_is_a_dataset_or_one_sentence(fuzz: Fuzz, tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    columns = {"image": [{"bytes": b"picture", "path": f"{n}.jpg"} for n in range(4)], "label": [0, 1, 0, 1]}
    folder = tmp_path / "saved"
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(folder)
    whole = {file.name: file.read_bytes() for file in folder.iterdir()}

    def check(name: str, spoil: st.DataObject) -> None:
        drawn = spoiled([whole[name]])
        if name.endswith(".json"):
            drawn |= spoiled_json([json.loads(whole[name])])
        (folder / name).write_bytes(spoil.draw(drawn))
        try:
            hold(folder, ReadOptions())
        finally:
            (folder / name).write_bytes(whole[name])

    fuzz("saved datasets", check, name=st.sampled_from(sorted(whole)), spoil=st.data())
