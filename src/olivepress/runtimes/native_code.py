"""Detects programs, libraries and pickles by the first bytes of a file, whatever its name."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from pathlib import Path, PurePosixPath

__all__ = ["code_in"]

SUFFIXES = frozenset({
    ".bat", ".class", ".cmd", ".com", ".command", ".cpl", ".desktop", ".dll", ".dylib", ".egg", ".exe", ".hta", ".jar",
    ".js", ".ko", ".lnk", ".msi", ".node", ".pickle", ".pkl", ".ps1", ".pt", ".pth", ".py", ".pyc", ".pyd", ".pyw",
    ".reg", ".scr", ".sh", ".so", ".vbe", ".vbs", ".wasm", ".whl", ".wsf",
})  # fmt: skip
_BEGINNINGS: dict[bytes, str] = {
    b"\x7fELF": "an ELF program or library",
    b"\xfe\xed\xfa\xce": "a Mach-O program or library",
    b"\xfe\xed\xfa\xcf": "a Mach-O program or library",
    b"\xce\xfa\xed\xfe": "a Mach-O program or library",
    b"\xcf\xfa\xed\xfe": "a Mach-O program or library",
    b"\xca\xfe\xba\xbe": "a fat Mach-O library or a Java class",
    b"\xbe\xba\xfe\xca": "a fat Mach-O library",
    b"\xca\xfe\xba\xbf": "a fat Mach-O library",
    b"!<arch>\n": "a library archive",
    b"!<thin>\n": "a library archive",
    b"\0asm": "WebAssembly",
    b"BC\xc0\xde": "LLVM bitcode",
    b"dex\n": "Android code",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"Rar!\x1a\x07": "a RAR archive",
}
_SCRIPT = re.compile(rb"(\xef\xbb\xbf)?#! ?/")
# Protocol 0 is text: opcodes that may come first, and the line that names an import.
_PROTOCOL_0 = re.compile(rb"[(c\]})dltSVIFLN]")
_IMPORT = re.compile(rb"[ci][\w.]{1,100}\n[\w.]{1,100}\n")
_HEAD = 64 * 1024  # bytes that are read to distinguish a pickle from weights that begin alike
_NUMPY = b"\x93NUMPY"
_TAR_MAGIC_AT = 257
_SMALL = 1024 * 1024
_FEWEST_PYC, _MOST_PYC = 3000, 4000  # CPython's magic numbers
_MOST_MEMBERS = 4096


def code_in(path: Path) -> str | None:
    """The reason why the file counts as code; None when it does not. OSError when it cannot be read."""
    if SUFFIXES & {suffix.lower() for suffix in PurePosixPath(path.name).suffixes}:
        return f"code, by its name {path.suffix}"
    with path.open("rb") as file:
        head = file.read(_HEAD)
    beginnings = (words for magic, words in _BEGINNINGS.items() if head.startswith(magic))
    return next(beginnings, None) or _executable(head, path.stat().st_size) or _pickled(head) or _archive(head, path)


def _executable(head: bytes, size: int) -> str | None:
    if head.startswith(b"MZ"):
        header_at = int.from_bytes(head[0x3C:0x40], "little")
        # Weights may begin with these two bytes by chance: a large file must also have the second header.
        if size < _SMALL or head[header_at : header_at + 4] == b"PE\0\0":
            return "a Windows program or library"
    if head.startswith(_NUMPY) and _holds_objects(head[:512]):
        return "an array of pickled objects"
    if _SCRIPT.match(head):
        return "a script"
    is_pyc = head[2:4] == b"\r\n" and _FEWEST_PYC <= int.from_bytes(head[:2], "little") < _MOST_PYC
    return "compiled Python" if is_pyc and int.from_bytes(head[4:8], "little") < 4 else None


def _pickled(head: bytes) -> str | None:
    """A pickle that names an import, or a complete one: random weights are neither."""
    if head[:1] == b"\x80" and head[1:2] in (b"\1", b"\2", b"\3", b"\4", b"\5"):
        names_only = False
    elif _PROTOCOL_0.match(head) and _IMPORT.search(head):
        names_only = True
    else:
        return None
    named = False
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(head)):
            named |= opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST", "REDUCE", "BUILD")
            if opcode.name == "STOP":
                return "a pickle" if named or not names_only else None
    except (ValueError, IndexError, UnicodeError, OverflowError):  # cut off by the end of the head, or not a pickle
        pass
    return "a pickle" if named and not names_only else None


def _archive(head: bytes, path: Path) -> str | None:
    """Archives may contain code or pickles; accepted are only NumPy's own archives of arrays of numbers."""
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return "a tar archive"
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    if path.suffix != ".npz":
        return "a zip archive"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                return "an archive of too many files"
            return next(filter(None, (_not_numbers(archive, member) for member in members)), None)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError):
        return "a damaged zip archive"


def _not_numbers(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str | None:
    """NumPy stores arrays of Python objects as pickles; the array's header shows it."""
    with archive.open(member) as file:
        header = file.read(512)
    if not member.filename.endswith(".npy") or not header.startswith(_NUMPY):
        return f"an archive with {ascii(member.filename)[1:-1][:60]}, no array"
    return "an archive of pickled objects" if _holds_objects(header) else None


def _holds_objects(header: bytes) -> bool:
    """Whether an array's header names anything but a single plain numeric type."""
    kind = re.search(rb"'descr':\s*'([^']*)'", header)
    return kind is None or b"O" in kind.group(1)
