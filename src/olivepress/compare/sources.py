"""What the command line names → report files: files, folders, globs, and the reports of a git revision."""

from __future__ import annotations

import contextlib
import glob
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from olivepress.core.errors import ReportError, UsageError
from olivepress.core.layout import RESULTS

__all__ = ["find_reports", "git", "is_report", "reports_of_revision"]

NOT_REPORTS = (".", "report.")  # hidden files, and the page's own report.json
MOST_FILES = 20_000


@contextlib.contextmanager
def find_reports(sources: Sequence[str]) -> Iterator[list[Path]]:
    """Files as they are named, folders with all reports below them, globs, and ``git:REVISION``; none twice.

    Those of a git revision lie in a folder that goes away with the context. UsageError for a source that gives none.
    """
    found: dict[Path, None] = {}
    with contextlib.ExitStack() as stack:
        for source in sources:
            revision = source.removeprefix("git:")
            paths = stack.enter_context(reports_of_revision(revision)) if revision != source else _of(source)
            if not paths:
                raise UsageError(f"{source}: no device report", next_step="name report files, a folder or a glob")
            found.update(dict.fromkeys(paths))
        yield list(found)


def _of(source: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        files = sorted(path.rglob("*.json"))
        return [file for file in files if is_report(file) and not _is_hidden(file.relative_to(path))]
    if path.is_file():
        return [path]
    matches = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    return [file for file in map(Path, matches) if file.is_file() and is_report(file)]


def _is_hidden(file: Path) -> bool:
    """Whether it lies in a folder of caches and journals, such as ``runs/<recipe>/.hashes``."""
    return any(part.startswith(".") for part in file.parts)


def is_report(file: Path) -> bool:
    """Whether a file is called as device reports are; what is in it is another matter."""
    return file.suffix == ".json" and not file.name.startswith(NOT_REPORTS)


@contextlib.contextmanager
def reports_of_revision(revision: str) -> Iterator[list[Path]]:
    """The committed reports below ``benchmarks/results`` of a git revision, in a folder that goes away afterwards.

    UsageError when this is no repository, the revision is unknown or holds no report; ReportError when git fails.
    """
    if revision.startswith("-"):
        raise UsageError(f"{revision!r}: no git revision", next_step="name a commit, a branch or a tag")
    try:
        commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
    except UsageError:
        raise UsageError(f"{revision}: no such git revision here", next_step="git log names them") from None
    listed = git("ls-tree", "-r", "-z", "--name-only", commit, "--", RESULTS.as_posix()).decode("utf-8", "replace")
    names = [PurePosixPath(name) for name in listed.split("\0") if name.endswith((".json", ".examples.jsonl"))]
    if not any(is_report(Path(name)) for name in names):
        raise UsageError(
            f"{revision}: no report in {RESULTS.as_posix()}", next_step="commit the reports of that revision"
        )
    if len(names) > MOST_FILES:
        raise UsageError(
            f"{revision}: {len(names)} files in {RESULTS.as_posix()}", next_step="name report files instead"
        )
    with tempfile.TemporaryDirectory(prefix="olivepress-") as scratch:
        for name in names:
            path = Path(scratch, *name.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(git("cat-file", "blob", f"{commit}:{name}"))
        yield sorted(Path(scratch, *name.parts) for name in names if is_report(Path(name)))


def git(*arguments: str) -> bytes:
    """What git prints. UsageError when it refuses, ReportError when it cannot be run."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReportError(f"git {arguments[0]}: {error}", next_step="name report files instead") from error
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().split("\n")[0] or f"exit code {done.returncode}"
        raise UsageError(f"git {arguments[0]}: {why}", next_step="run it in the repository that holds the reports")
    return done.stdout
