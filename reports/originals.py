"""Pictures made from a dataset's original files, in threads, and only of what was judged.

sample --read--> bytes --the digest of the audit?--> pixels --> Thumbnail
             \\-> gone, changed, or it hangs: a reason
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from auditor.arrays import rows_of
from auditor.errors import AuditError, DataError
from auditor.images import byte_digest, decode_rgb, encode_thumbnail
from auditor.memory import DecodingRoom, Needs, available_bytes, enough_memory, plan_work
from auditor.networks import available_cores
from auditor.reading import Readers, hung_reason
from auditor.results import Audit, Thumbnail

NEIGHBOUR_SIDE = 64
QUALITY, NEIGHBOUR_QUALITY = 60, 50
"""WebP quality; neighbours are many and looked at in passing."""
AHEAD = 8
"""Pictures that may be ready before their turn, for each thread."""

_T = TypeVar("_T")
_Item = TypeVar("_Item")
Tell = Callable[[int, int], None]


def nobody(done: int, total: int) -> None:
    """Tell nobody how many are done."""


def encode_original(audit: Audit, row: int, side: int, room: DecodingRoom | None = None) -> Thumbnail:
    """Return a picture made from the original file of a row of the dataset.

    Parameters
    ----------
    side : of the longer side, in pixels.
    room : where the row waits until its pixels fit into memory, and which the caller leaves.

    Raises
    ------
    DataError
        If the file does not open any more, or is not the one that was judged.
    """
    data = audit.dataset.contents.read(str(audit.dataset.table["path"].iat[row]))
    judged = str(audit.facts.byte_digest[row])
    if judged and byte_digest(data) != judged:
        raise DataError("the file has changed")
    if room is not None:
        room.enter(row, int(audit.facts.width[row]) * int(audit.facts.height[row]))
    return encode_thumbnail(decode_rgb(data), side, QUALITY if side > NEIGHBOUR_SIDE else NEIGHBOUR_QUALITY)


def encode_originals(
    audit: Audit, sides: dict[str, int], tell: Tell = nobody
) -> tuple[dict[str, Thumbnail], dict[str, str]]:
    """Return pictures of samples by id, and for the others the reason why there is none.

    Parameters
    ----------
    sides : the longer side in pixels of each sample's picture, by its id.
    tell : called with how many are done, and how many there are.
    """
    rows = dict(zip(sides, rows_of(audit.dataset.ids, list(sides)).tolist(), strict=True)) if sides else {}
    plan, _ = plan_work(Needs(0, 0, 0), available_cores(), available_bytes())
    room = DecodingRoom(plan.decoding_bytes)

    def make(sample_id: str) -> Thumbnail | str:
        try:
            return encode_original(audit, rows[sample_id], sides[sample_id], room)
        except AuditError as error:
            return str(error)
        finally:
            room.leave(rows[sample_id])

    def give_up(sample_id: str) -> str:
        room.leave(rows[sample_id])
        return hung_reason()

    # In the order in which they lie: files that hold many pictures are read from front to back.
    order = sorted(sides, key=rows.__getitem__)
    with enough_memory("Showing", len(sides)):
        found = dict(zip(order, in_threads(make, order, tell, give_up, plan.workers), strict=True))
    made = {sample_id: found[sample_id] for sample_id in sides}
    pictures = {i: picture for i, picture in made.items() if isinstance(picture, Thumbnail)}
    return pictures, {i: reason for i, reason in made.items() if isinstance(reason, str)}


def _refuse(item: object) -> NoReturn:
    raise DataError(f"A picture of the page cannot be made: {hung_reason()}.")


def in_threads(
    work: Callable[[_Item], _T],
    items: Sequence[_Item],
    tell: Tell = nobody,
    give_up: Callable[[_Item], _T] = _refuse,
    threads: int = 0,
) -> list[_T]:
    """Return the results in the order of the items; decoders release the interpreter's lock.

    Parameters
    ----------
    give_up : gives the result of an item that hangs; by default that is an error.
    threads : 0 takes one for each core.
    """
    threads = threads or available_cores()
    results: list[_T] = []
    for result in Readers(work, give_up, threads).in_order(items, AHEAD * threads):
        results.append(result)
        tell(len(results), len(items))
    return results
