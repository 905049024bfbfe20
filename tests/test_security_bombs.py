"""Files of a few kilobytes that claim or unpack to gigabytes: refused or read, never taken at their word.

Each case is told the peak of memory that it may take; Pillow's and pyarrow's own bounds are held to as well.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import Command
from fuzzing import bounded_memory
from pictures import make_manifest
from PIL import Image
from toy import toy_audit

from auditor.arrays import read_array
from auditor.checkpoints import read_checkpoint
from auditor.dataset import ReadOptions, read_dataset
from auditor.decoding import MAX_PIXELS
from auditor.errors import DataError, UsageError, WeightsError
from auditor.images import read_image
from auditor.sources import parquet
from auditor.storage import load, save
from auditor.tables import read_table

MEGABYTE = 1 << 20
LITTLE = 64 * MEGABYTE
"""What a case may take beside the file itself: a picture above the limit would take 700."""
SECONDS = 10
SIDE = 60_000
"""3.6 billion pixels, more than any limit."""


def saved(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (24, 16), (200, 30, 90)).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *beside: bytes, blank: int = 100) -> bytes:
    """A PNG of one bit a pixel whose data are `blank` zero bytes, with other chunks before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    data = chunk(b"IDAT", zeros(blank))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(beside) + data + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """`count` zero bytes, packed; made in parts, since the test is held to the bound too."""
    packer, part = zlib.compressobj(9), bytes(MEGABYTE)
    packed = [packer.compress(part) for _ in range(count // MEGABYTE)]
    return b"".join([*packed, packer.compress(bytes(count % MEGABYTE)), packer.flush()])


def patched(data: bytes, mark: bytes, skip: int, *values: tuple[str, int]) -> bytes:
    """Write numbers over a file, `skip` bytes after the end of `mark`."""
    assert mark in data
    at = data.index(mark) + len(mark) + skip
    raw = b"".join(struct.pack(form, value) for form, value in values)
    return data[:at] + raw + data[at + len(raw) :]


def tiff() -> bytes:
    data = saved("TIFF")
    for tag in (256, 257):  # width, height: of 4 bytes from now on
        entry = struct.pack("<H", tag)
        at = data.index(entry, 8)
        data = data[:at] + struct.pack("<HHII", tag, 4, 1, SIDE) + data[at + 12 :]
    return data


def icon(inside: bytes) -> bytes:
    return (
        struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inside), 22) + inside
    )


def heic() -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (72, 48), (200, 30, 90))).save(out)
    return out.getvalue()


def jpeg_2000() -> bytes:
    data = patched(saved("JPEG2000"), b"ihdr", 0, (">I", SIDE), (">I", SIDE))
    return patched(data, b"\xff\x51", 4, (">I", SIDE), (">I", SIDE))


HEADERS = {
    "PNG": lambda: png(SIDE, SIDE),
    "JPEG": lambda: patched(saved("JPEG"), b"\xff\xc0", 3, (">H", SIDE), (">H", SIDE)),
    "GIF": lambda: patched(saved("GIF"), b"GIF87a", 0, ("<H", SIDE), ("<H", SIDE)),
    "GIF whose picture is larger than its screen": lambda: patched(
        saved("GIF"), b"\x2c", 4, ("<H", SIDE), ("<H", SIDE)
    ),
    "WebP": lambda: patched(saved("WEBP"), b"\x9d\x01\x2a", 0, ("<H", 16383), ("<H", 16383)),
    "TIFF": tiff,
    "BMP": lambda: patched(saved("BMP"), b"BM", 16, ("<i", SIDE), ("<i", SIDE)),
    "AVIF": lambda: patched(saved("AVIF"), b"ispe", 4, (">I", SIDE), (">I", SIDE)),
    "HEIC": lambda: patched(heic(), b"ispe", 4, (">I", SIDE), (">I", SIDE)),
    "JPEG2000": jpeg_2000,
    "PPM": lambda: b"P6 %d %d 255\n" % (SIDE, SIDE),
    "TGA": lambda: patched(saved("TGA"), b"", 12, ("<H", SIDE), ("<H", SIDE)),
    "PCX": lambda: patched(saved("PCX"), b"", 8, ("<H", SIDE), ("<H", SIDE)),
    "SGI": lambda: patched(saved("SGI"), b"", 6, (">H", SIDE), (">H", SIDE)),
    "icon with a large PNG": lambda: icon(png(SIDE, SIDE)),
    # Above our limit and below Pillow's, which decodes an icon while it opens it.
    "icon with a PNG just above the limit": lambda: icon(png(16_000, 12_000, blank=24_012_000)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_claims_a_huge_picture_takes_no_memory(name: str) -> None:
    data = HEADERS[name]()
    started = time.perf_counter()
    with bounded_memory(LITTLE):
        rgb, facts = read_image(data)
    assert rgb is None and not facts.readable
    assert time.perf_counter() - started < SECONDS
    assert len(data) < MEGABYTE
    assert f"{MAX_PIXELS:,}" in facts.error or "damaged" in facts.error or "cut off" in facts.error


SEEN = {"PNG", "JPEG", "GIF", "WebP", "TIFF", "BMP", "JPEG2000", "PPM", "TGA", "PCX", "SGI"}


@pytest.mark.parametrize("name", sorted(SEEN | {name for name in HEADERS if "icon" in name}))
def test_the_limit_is_named_where_the_header_can_be_read(name: str) -> None:
    """So that the case above is refused for its size, and not because the header was written wrongly."""
    assert f"{MAX_PIXELS:,}" in read_image(HEADERS[name]())[1].error


def text_chunks(kind: bytes, before: bytes, packed: bytes, count: int = 1) -> bytes:
    return png(8, 8, *[chunk(kind, before + packed)] * count)


@pytest.mark.parametrize(
    ("kind", "before", "count"),
    [
        (b"zTXt", b"Comment\0\0", 1),
        (b"iTXt", b"Comment\0\1\0\0\0", 1),
        (b"iCCP", b"profile\0\0", 1),
        (b"zTXt", b"Comment\0\0", 100),
    ],
    ids=["zTXt", "iTXt", "iCCP", "many zTXt"],
)
def test_a_packed_text_of_a_png_is_not_unpacked_without_end(kind: bytes, before: bytes, count: int) -> None:
    data = text_chunks(kind, before, zeros(256 * MEGABYTE // count), count)
    with bounded_memory(LITTLE + 64 * MEGABYTE):  # Pillow keeps at most 64 MB of texts
        rgb, facts = read_image(data)
    assert (rgb is None) == bool(facts.error)
    assert len(data) < MEGABYTE


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_thousands_of_frames_only_the_first_is_decoded(kind: str) -> None:
    frames = [Image.new("P", (100, 100), n % 256) for n in range(2000)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    started = time.perf_counter()
    with bounded_memory(LITTLE):
        rgb, _ = read_image(out.getvalue())
    assert rgb is not None and rgb.shape == (100, 100, 3)
    assert time.perf_counter() - started < SECONDS


def test_pages_of_a_tiff_that_lead_back_to_the_first_are_no_endless_loop() -> None:
    data = saved("TIFF")
    start = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[start : start + 2])[0]
    after = start + 2 + 12 * count
    looped = data[:after] + struct.pack("<I", start) + data[after + 4 :]
    assert read_image(looped)[1].readable


def test_what_is_no_picture_is_described_in_no_time() -> None:
    """A comment that could end at several places was tried in all combinations: 2 ** 145 of them."""
    for head in (b"<!---->" * 146, b"<?xml ?>" + b"<!doctype svg>" * 72, b"<!--x--> " * 113):
        started = time.perf_counter()
        assert read_image(head, "a.jpg")[1].error
        assert time.perf_counter() - started < 1


# Arrays and tables


def test_an_array_that_claims_more_rows_than_its_file_holds(tmp_path: Path, command: Command) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 512), }".ljust(117) + b"\n"
    file = tmp_path / "v.npy"
    file.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64))
    for mapped in (False, True):
        with bounded_memory(LITTLE), pytest.raises(DataError, match="cut off"):
            read_array(file, mapped)
    done = command("run", make_manifest(tmp_path / "m.csv"), "--features", file, "--out", tmp_path / "out")
    assert done.code == 2 and "cut off" in done.err
    save(toy_audit(), tmp_path / "audit")
    (tmp_path / "audit" / "embeddings.npy").write_bytes(file.read_bytes())
    with bounded_memory(LITTLE), pytest.raises(DataError, match="cut off"):
        load(tmp_path / "audit")


def one_long_text(file: Path, rows: int, length: int) -> Path:
    """A Parquet table whose `rows` all hold the same text, which it says once."""
    once = pa.array(["x" * length])
    label = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), once)
    path = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["a.png"]))
    pq.write_table(pa.table({"path": path, "label": label.cast(pa.string()) if rows < 9 else label}), file)
    return file


def test_a_table_that_unpacks_to_terabytes_of_text_is_refused(tmp_path: Path) -> None:
    file = one_long_text(tmp_path / "m.parquet", rows=1_000_000, length=MEGABYTE)
    assert file.stat().st_size < 2 * MEGABYTE
    for read in (lambda: read_dataset(file, ReadOptions(images=False)), lambda: read_table(file)):
        with bounded_memory(2 * LITTLE), pytest.raises(DataError, match=r"1,048,\d+,000,000 bytes of text"):
            read()


def test_a_table_of_more_rows_or_bytes_than_the_limit_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.parquet"
    pq.write_table(pa.table({"path": ["x" * 50_000] * 4, "label": list("abab")}), file, use_dictionary=False)
    for limit in ("MOST_ROWS", "MOST_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(parquet, limit, 3)
            with pytest.raises(DataError, match="claims 4 rows"):
                read_dataset(file, ReadOptions(images=False))
    assert len(read_dataset(file, ReadOptions(images=False))) == 4


def test_a_header_of_safetensors_that_claims_exabytes(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    for size in (2**63, 2**40):
        file.write_bytes(struct.pack("<Q", size) + b"{}")
        with bounded_memory(LITTLE), pytest.raises(WeightsError, match=r"w\.safetensors"):
            read_checkpoint(file)


def test_packed_tables_are_not_unpacked(tmp_path: Path, command: Command) -> None:
    """Refused under the name of an archive; under another name they are no table."""
    packed = gzip.compress(b"path,label\n" + b"a" * (256 * MEGABYTE), 9)
    (tmp_path / "m.csv.gz").write_bytes(packed)
    with pytest.raises(UsageError, match="unpack it"):
        read_dataset(tmp_path / "m.csv.gz")
    (tmp_path / "m.csv").write_bytes(packed)
    with bounded_memory(LITTLE), pytest.raises(DataError):
        read_dataset(tmp_path / "m.csv")
    np.save(tmp_path / "v.npy", np.eye(24, 8, dtype=np.float32) + 1)
    arguments = ["run", make_manifest(tmp_path / "ok.csv"), "--features", tmp_path / "v.npy"]
    for name in ("m.csv.gz", "m.csv"):
        for option in ("--predictions", "--features-ids", "--reviewed"):
            with bounded_memory(4 * LITTLE):
                done = command(*arguments, option, tmp_path / name, "--out", tmp_path / "out")
            assert done.code == 2 and "Traceback" not in done.err, (name, option, done.err)
            assert not (tmp_path / "out").exists()


def test_names_that_ask_for_the_same_id_are_told_apart_in_no_time(tmp_path: Path) -> None:
    """One name 20,000 times beside the names that it would be given: each search began at the start."""
    n = 20_000
    ids = ["a"] * n + [f"a#{i}" for i in range(2, n + 2)]
    lines = [json.dumps({"id": i, "label": "ab"[k % 2]}) for k, i in enumerate(ids)]
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    started = time.perf_counter()
    dataset = read_dataset(tmp_path / "m.jsonl", ReadOptions(images=False))
    assert len(set(dataset.ids)) == len(dataset) == 2 * n
    assert time.perf_counter() - started < SECONDS
