"""Keys of a text: one that every process computes alike, and some that it does not."""

import os
import string
import zlib


def key(text):
    return zlib.crc32(text.encode())


def hashed(text):
    return abs(hash(text))


def set_in_its_order(text):
    return zlib.crc32("".join(set(text) | set(string.ascii_letters)).encode())


def printed(text):
    print(text)
    return zlib.crc32(text.encode())


def ends_elsewhere(text):
    if os.environ.get("PYTHONHASHSEED") != os.environ["OURS"]:
        os._exit(3)
    return zlib.crc32(text.encode())


def raises_elsewhere(text):
    if os.environ.get("PYTHONHASHSEED") != os.environ["OURS"]:
        raise LookupError(text)
    return zlib.crc32(text.encode())
