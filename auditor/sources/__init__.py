"""Readers of datasets, one file a kind of source; `auditor.dataset.read_dataset` stands in front.

names.py            file names as text, and back: names need not be UTF-8
tables.py           CSV, Parquet and JSONL files as columns of strings
rows.py             rows -> `Dataset`: identity, repeated rows, classes
class_folders.py    one folder per class, optionally under splits or domains
manifests.py        a table with a path and a label per image
holders.py          pictures inside files (tars.py, picture_tables.py, hugging_face.py), image_folders.py
stores.py           folders of remote stores: listings.py, remote.py, remote_rows.py, remote_contents.py,
                    remote_files.py
objects.py          pairs and torch datasets of a Python program: items.py, pictures.py, object_contents.py
placing.py          rows with paths, whether these are files or addresses
reopen.py           where the pictures of a loaded audit are
"""
