"""Files that are whole or not there, and what is said when one cannot be written."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest

from auditor.writing import is_temporary, replace_file, save_array, what_helps, why, write_durably


def test_what_was_there_stays_until_the_new_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "page.html"
    replace_file(file, b"first")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(OSError) as told:
            replace_file(file, b"second")
    assert (told.value.filename, told.value.errno) == (str(file), errno.ENOSPC)
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]
    replace_file(file, b"second")
    assert file.read_bytes() == b"second"


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_link_is_followed_and_a_device_is_written_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "page")
    replace_file(tmp_path / "link", b"first")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "page").read_bytes() == b"first"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    replace_file(tmp_path / "pipe", b"through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "a", ".hidden"])
def test_a_name_may_be_as_long_as_the_disk_takes(name: str, tmp_path: Path) -> None:
    seen: list[str] = []

    def write(file: io.BufferedIOBase) -> None:
        seen.extend(p.name for p in tmp_path.iterdir())
        file.write(b"content")

    write_durably(tmp_path / name, write)
    assert [is_temporary(tmp_path / other) for other in seen] == [True]
    assert not is_temporary(tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(24, dtype=np.float32).reshape(4, 6),
        np.arange(24).reshape(4, 6).T,
        np.zeros((0, 3)),
        np.array([(1, 2.5)], dtype=[("a", "<i4"), ("b", "<f8")]),
        np.array(7.0),
    ],
)
def test_an_array_has_the_bytes_that_numpy_gives_it(values: np.ndarray, tmp_path: Path) -> None:
    with (tmp_path / "ours.npy").open("wb") as file:
        save_array(file, values)
    np.save(tmp_path / "numpy.npy", values)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_the_reason_is_the_system_s_and_room_helps_where_it_is_missing() -> None:
    full, read_only = (OSError(n, "as a library calls it") for n in (errno.EDQUOT, errno.EROFS))
    assert why(full) == os.strerror(errno.EDQUOT)
    assert why(OSError("no number")) == "no number"
    assert what_helps(full, "choose another") == "make room there, or choose another"
    assert what_helps(read_only, "choose another") == "choose another"
