"""``fleet import``: what counts, what is refused with which reason, twice, at once, moved, grown, and by attackers."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import SetupError, UsageError
from olivepress.fleet import receive as receiving
from olivepress.fleet import verify as verifying
from olivepress.fleet.machines import by_key, read_machines
from olivepress.fleet.records import MACHINES, read_fleet
from olivepress.registry.signatures import new_pair, sign, signature_path
from olivepress.report.device_report import measured, not_measured, report_hash
from tests.conftest import ROOT
from tests.fleet.conftest import INCOMING, NOW, Desk, new_fleet, rows

INDEX = Path("fleets", "shop", "index.sqlite")


def table(query: str) -> list[Any]:
    """By sqlite3 alone, not by our own reader."""
    connection = sqlite3.connect(INDEX)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def refused(desk: Desk) -> list[tuple[str, str]]:
    return [(Path(each.path).name.partition(".")[0], each.kind) for each in desk.receive().refused]


def test_a_report_counts_once_and_a_second_import_does_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.send("k000")
    desk.send("k001")
    first = desk.receive()
    assert (first.files, first.new, first.unchanged, first.refused) == (2, 2, 0, ())
    assert table("select machine, release from reports order by machine") == [("k000", 1), ("k001", 1)]
    before = INDEX.read_bytes()
    monkeypatch.setattr(receiving, "read_bytes", lambda *_: pytest.fail("a file was opened again"))
    second = desk.receive()
    assert (second.new, second.unchanged) == (0, 2)
    assert INDEX.read_bytes() == before


def test_the_import_is_incremental(desk: Desk) -> None:
    desk.send("k000")
    desk.receive()
    desk.send("k001")
    again = desk.receive()
    assert (again.files, again.new, again.unchanged) == (2, 1, 1)


def test_the_same_folder_under_another_name(desk: Desk) -> None:
    desk.send("k000")
    desk.receive()
    Path("link").symlink_to(INCOMING, target_is_directory=True)
    for name in ("./incoming/../incoming", str(INCOMING.resolve()), "link"):
        assert receiving.import_folder(read_fleet("shop"), Path(name), now=NOW).unchanged == 1


# --- an attacker who can write into the folder, or on the network -----------------------------------------------------


def test_a_changed_report_is_refused_and_nothing_in_it_is_parsed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "read_archive", lambda *_: pytest.fail("parsed before its signature was verified"))
    path = desk.send("k000")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert refused(desk) == [("k000-c", "forged or damaged")]
    assert table("select count(*) from reports") == [(0,)]


def test_every_cut_of_a_report_is_refused(desk: Desk) -> None:
    path = desk.send("k000")
    data, signature = path.read_bytes(), signature_path(path).read_bytes()
    cuts = [0, 1, 30, len(data) // 2, len(data) - 1]
    for number, cut in enumerate(cuts):
        part = INCOMING / f"cut{number}.report.zip"
        part.write_bytes(data[:cut])
        signature_path(part).write_bytes(signature)
    path.unlink()
    assert [kind for _, kind in refused(desk)] == ["forged or damaged"] * len(cuts)


BROKEN = (b"", b"\n", b"x" * 100, b"a\n!!!\nb\nc\n", b"\xff\xfe\n\xff\n", b"untrusted comment: x\n")


@pytest.mark.parametrize("text", BROKEN)
def test_a_damaged_signature(desk: Desk, text: bytes) -> None:
    signature_path(desk.send("k000")).write_bytes(text)
    assert refused(desk) == [("k000-c", "forged or damaged")]


def test_a_key_of_no_machine(desk: Desk) -> None:
    path = desk.send("k000")
    secret, _ = new_pair()
    Path("foreign.key").write_bytes(secret)
    sign(path, Path("foreign.key"), "", trusted=False)
    assert refused(desk) == [("k000-c", "unknown key")]


def test_a_key_with_the_id_of_another_is_no_help(desk: Desk) -> None:
    """Ids are eight bytes that anybody may write into a key of their own."""
    path = desk.send("k000")
    lines = signature_path(path).read_bytes().split(b"\n")
    secret, _ = new_pair()
    Path("foreign.key").write_bytes(secret)
    forged = signature_path(path)
    sign(path, Path("foreign.key"), "", trusted=False)
    own = base64.b64decode(forged.read_bytes().split(b"\n")[1])
    mixed = base64.b64encode(own[:2] + base64.b64decode(lines[1])[2:10] + own[10:])
    forged.write_bytes(b"\n".join([lines[0], mixed, *forged.read_bytes().split(b"\n")[2:]]))
    assert refused(desk) == [("k000-c", "forged or damaged")]


def test_a_report_without_its_signature_waits_for_it(desk: Desk) -> None:
    """Files arrive in any order: what was refused for it is read again when the signature is there."""
    path = desk.send("k000")
    signature = signature_path(path).read_bytes()
    signature_path(path).unlink()
    assert refused(desk) == [("k000-c", "not signed")]
    signature_path(path).write_bytes(signature)
    again = desk.receive()
    assert (again.new, again.refused) == (1, ())
    assert desk.status().refused == ()


def test_a_replayed_report_is_refused_and_listed(desk: Desk) -> None:
    path = desk.send("k000")
    desk.receive()
    copy = INCOMING / "later.report.zip"
    shutil.copyfile(path, copy)
    shutil.copyfile(signature_path(path), signature_path(copy))
    (refusal,) = desk.receive().refused
    assert (refusal.kind, refusal.machine) == ("replayed", "k000")
    assert refusal.reason == "the same report as incoming/k000-c.report.zip"
    assert table("select count(*) from reports") == [(1,)]


def test_an_old_report_that_is_replayed_does_not_replace_the_newer_one(desk: Desk) -> None:
    desk.send("k000", decode_tps=30.0, created_at="2026-11-21T08:00:00+00:00")
    desk.receive()
    desk.send("k000", "withheld", decode_tps=20.0)
    assert desk.receive().new == 1
    (metric,) = [each for each in desk.status().classes[0].metrics if each.metric == "decode_tps"]
    assert (metric.n, metric.median.value) == (1, 30.0)


def test_a_machine_that_sends_without_end_has_one_voice(desk: Desk) -> None:
    for number in range(6):
        desk.send("k000", f"n{number}", decode_tps=20.0 + number, created_at=f"2026-11-20T0{number}:00:00+00:00")
    assert desk.receive().new == 6
    (metric,) = [each for each in desk.status().classes[0].metrics if each.metric == "decode_tps"]
    assert (metric.n, metric.median.value) == (1, 25.0)


def test_nobody_signs_what_another_machine_measured(desk: Desk) -> None:
    """k001 takes the report of k000 from the network and signs it: it would be first, and that of k000 a replay."""
    path = desk.send("k000")
    stolen = INCOMING / "a-stolen.report.zip"
    shutil.copyfile(path, stolen)
    sign(stolen, desk.secret("k001"), "", trusted=False)
    result = desk.receive()
    assert [(each.kind, each.machine) for each in result.refused] == [("other machine", "k001")]
    assert table("select machine from reports") == [("k000",)]


def test_a_report_of_another_bundle_or_artifact(desk: Desk) -> None:
    desk.send("k000", bundle_sha256="e" * 64)
    desk.send("k001", changes={"artifact_sha256": "e" * 64})
    assert refused(desk) == [("k000-c", "other bundle"), ("k001-c", "other bundle")]


def test_names_that_are_not_plain(desk: Desk) -> None:
    desk.send("k000", processor="../../<b>")
    assert refused(desk) == [("k000-c", "damaged")]


def test_an_artifact_that_was_tuned_on_its_device_counts(desk: Desk) -> None:
    sha256 = desk.simulated.bundle_sha256
    (key,) = [key for key, m in by_key(read_machines(Path("fleets/shop/machines.csv"))).items() if m.name == "k000"]
    settings = {"bundle_sha256": sha256, "signing_key": key, "untuned_sha256": "c" * 64}
    desk.send("k000", changes={"artifact_sha256": "e" * 64, "settings": settings})
    assert desk.receive().new == 1


def test_a_report_from_the_future(desk: Desk) -> None:
    """It would be the newest of its machine for ever."""
    desk.send("k000", created_at="2036-01-01T00:00:00+00:00")
    desk.send("k001", created_at="2026-11-26T10:00:00+00:00")  # a clock that is ahead by less than a day
    assert refused(desk) == [("k000-c", "wrong clock")]
    assert import_at(NOW.replace(year=2037)).new == 1  # its time has come


def import_at(now: datetime) -> receiving.Imported:
    return receiving.import_folder(read_fleet("shop"), INCOMING, now=now)


def test_a_clock_that_begins_in_1970(desk: Desk) -> None:
    """A device without a battery: its report counts, and does not replace a later one."""
    desk.send("k000", decode_tps=10.0, created_at="1970-01-01T00:03:00+00:00")
    desk.receive()
    assert desk.status().classes[0].metrics[0].n == 1
    desk.send("k000", "later", decode_tps=30.0)
    desk.receive()
    (metric,) = [each for each in desk.status().classes[0].metrics if each.metric == "decode_tps"]
    assert metric.median.value == 30.0


def test_a_file_that_is_still_being_uploaded_is_read_when_it_is_whole(desk: Desk) -> None:
    path = desk.send("k000")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    (INCOMING / ".k001-c.report.zip.Xs57dD").write_bytes(data[:100])  # as rsync names what it has not finished
    first = desk.receive()
    assert (first.files, first.kinds) == (1, {"forged or damaged": 1})
    path.write_bytes(data)
    again = desk.receive()
    assert (again.new, again.refused) == (1, ())
    assert desk.status().refused == ()


def test_a_huge_file_is_refused_unread(desk: Desk) -> None:
    path = desk.send("k000")
    with path.open("ab") as file:
        file.truncate(verifying.LARGEST + 1)
    with signature_path(desk.send("k001")).open("ab") as file:
        file.truncate(10**6)
    assert refused(desk) == [("k000-c", "oversized"), ("k001-c", "oversized")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")
def test_links_and_pipes_are_not_followed(desk: Desk) -> None:
    path = desk.send("k000")
    target = Path("elsewhere.zip")
    path.rename(target)
    path.symlink_to(target.resolve())
    pipe = desk.send("k001")
    pipe.unlink()
    os.mkfifo(pipe)
    Path("outside").mkdir()
    desk.send("k002").rename(Path("outside", "k002.report.zip"))
    (INCOMING / "folder").symlink_to(Path("outside").resolve(), target_is_directory=True)
    assert refused(desk) == [("k000-c", "unreadable"), ("k001-c", "unreadable")]


def test_what_a_device_with_a_key_can_put_into_a_file(desk: Desk) -> None:
    """Signed rightly, and no report: a bomb, a name that leads out, another file, a report that was edited."""
    contents: dict[str, Callable[[Path], object]] = {
        "bomb": lambda path: _zip(path, {"carried.json": b"{}", "a": bytes(10**7)}, zipfile.ZIP_DEFLATED),
        "name": lambda path: _zip(path, {"../../carried.json": b"{}"}),
        "json": lambda path: _zip(path, {"carried.json": b"[" * 100_000}),
        "text": lambda path: path.write_bytes(b"not a zip file"),
        "edited": _edited,
        "long": lambda path: _with_field(path, "x" * 1_000_000),
        "half": lambda path: _with_field(path, "\ud800"),  # of a pair: JSON may spell it, UTF-8 cannot
    }
    for name, write in contents.items():
        path = desk.send("k000", name)
        write(path)
        sign(path, desk.secret("k000"), "", trusted=False)
    result = desk.receive()
    assert [(each.kind, each.machine) for each in result.refused] == [("damaged", "k000")] * len(contents)
    assert any("was changed" in each.reason for each in result.refused)
    assert max(len(each.reason) for each in result.refused) <= 300


def _zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def _edited(path: Path) -> None:
    """Another rate in the report."""

    def edit(report: bytes) -> bytes:
        assert b'"value": 20.0' in report
        return report.replace(b'"value": 20.0', b'"value": 99.0')

    _rewritten(path, edit)


def _with_field(path: Path, name: str) -> None:
    """A field that no report has, and the hash that a report with it would have."""

    def edit(report: bytes) -> bytes:
        fields = json.loads(report) | {name: 1}
        return json.dumps(fields | {"report_sha256": report_hash(fields)}).encode()

    _rewritten(path, edit)


def _rewritten(path: Path, edit: Callable[[bytes], bytes]) -> None:
    """Another report, and an index that has its new hash."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(members.pop("carried.json"))
    name = index["report"]
    members[name] = edit(members[name])
    index["files"][name] = {"sha256": hashlib.sha256(members[name]).hexdigest(), "bytes": len(members[name])}
    _zip(path, {"carried.json": json.dumps(index).encode(), **members})


def test_names_in_a_report_reach_no_terminal_and_no_page(
    desk: Desk, olivepress_here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    path = desk.send("k000")
    path.rename(INCOMING / "\x1b[2J<script>.report.zip")
    result = olivepress_here("fleet", "import", "incoming")
    assert result.returncode == 10 and "\x1b" not in result.stdout and "refused" in result.stdout
    olivepress_here("fleet", "status")
    page = Path("fleets", "shop", "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page and "<script" not in page and "\x1b" not in page


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_names_of_any_bytes_are_listed(desk: Desk) -> None:
    """Also two that look alike once the bytes that are no text are escaped."""
    INCOMING.mkdir()
    names = [b"a\xff", b"a\\udcff", b"a\nb"]
    for name in names:
        Path(os.fsdecode(b"incoming/" + name + b".report.zip")).write_bytes(b"x")
    linked = Path(os.fsdecode(b"incoming/link\xff.report.zip"))
    linked.write_bytes(b"x")
    signature_path(linked).symlink_to("a")
    refused = desk.receive().refused
    assert sorted(each.kind for each in refused) == ["not signed"] * 3 + ["unreadable"]
    assert len({each.path for each in refused}) == 4
    assert desk.status().refused == refused
    assert desk.receive().unchanged == 4


def test_a_folder_that_cannot_be_read_is_listed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.send("k000")
    (INCOMING / "closed").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    result = desk.receive()
    assert result.new == 1
    (refusal,) = result.refused
    assert (refusal.path, refusal.kind, refusal.reason) == (
        "incoming/closed",
        "unreadable",
        "folder: Permission denied",
    )


def test_a_report_can_be_read_without_any_key(desk: Desk) -> None:
    """Signed is not encrypted: who carries it can read the machine and its answers."""
    with zipfile.ZipFile(desk.send("k000")) as archive:
        texts = [archive.read(name) for name in archive.namelist()]
    assert any(b'"cpu": "Simulated"' in text for text in texts)
    assert any(b'"output": "yes"' in text for text in texts)


def test_every_junk_file_takes_a_row_and_no_more(desk: Desk) -> None:
    INCOMING.mkdir()
    for number in range(300):
        (INCOMING / f"junk{number}.report.zip").write_bytes(os.urandom(2000))
    assert desk.receive().kinds == {"not signed": 300}
    assert INDEX.stat().st_size < 300 * 1000
    assert desk.receive().unchanged == 300


def test_what_was_accepted_stays_when_its_file_is_replaced(desk: Desk) -> None:
    path = desk.send("k000")
    desk.receive()
    path.write_bytes(b"gone")
    assert refused(desk) == [("k000-c", "forged or damaged")]
    assert desk.status().reported == 1


def test_one_key_on_two_kinds_of_machine_is_named(desk: Desk) -> None:
    """An image of one device that was written to others, with its key."""
    desk.send("k000")
    desk.send("k000", "copy", processor="aarch64-other-4c", created_at="2026-11-21T08:00:00+00:00")
    desk.receive()
    (note,) = desk.status().notes
    assert note == "reports of one key from different processors, as if it had been copied: k000"
    pair = new_pair()[1].split(b"\n")[1].decode()
    new_fleet(f"machine,class,key\nk000,kiosk,{pair}\n")  # another device in its place, with a key of its own
    assert desk.status().notes == ()


def test_a_lost_key_is_replaced_and_what_it_signed_does_not_count_any_more(desk: Desk) -> None:
    import minisign

    old = desk.send("k000")
    desk.receive()
    assert desk.status().reported == 1
    pair = minisign.KeyPair.generate()
    own = bytes(pair.public_key).split(b"\n")[1].decode()
    new_fleet(f"machine,class,key\nk000,kiosk,{own}\n")
    assert desk.status().reported == 0
    shutil.copyfile(old, INCOMING / "again.report.zip")
    shutil.copyfile(signature_path(old), signature_path(INCOMING / "again.report.zip"))
    assert refused(desk) == [("again", "unknown key")]


def test_a_machine_that_gets_another_name_keeps_its_reports(desk: Desk) -> None:
    """Its key is what it is known by; its files are not read again."""
    desk.send("k000")
    desk.receive()
    machines = read_fleet("shop").folder / MACHINES
    machines.write_text(machines.read_text().replace("k000,", "front-door,"))
    assert desk.receive().unchanged == 1
    (kiosk,) = desk.status().classes
    assert (kiosk.reported, desk.status().reported) == (1, 1)
    assert "front-door" not in kiosk.missing


def test_what_was_refused_is_read_again_when_the_fleet_changes(desk: Desk) -> None:
    """The bundle was given to a machine before it was a release."""
    desk.send("k000", bundle_sha256="e" * 64)
    assert refused(desk) == [("k000-c", "other bundle")]
    assert refused(desk) == []  # listed, and not read again
    desk.release("d")
    assert refused(desk) == [("k000-c", "other bundle")]


# --- files that move, folders that are none ---------------------------------------------------------------------------


def test_files_that_were_moved_to_an_archive_are_no_copies(desk: Desk) -> None:
    path = desk.send("k000")
    desk.receive()
    archive = INCOMING / "2026-11"
    archive.mkdir()
    for each in (signature_path(path), path):
        each.rename(archive / each.name)
    assert desk.receive().refused == ()
    assert table("select path from reports") == [("incoming/2026-11/k000-c.report.zip",)]


def test_a_folder_without_reports(desk: Desk) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        desk.receive()
    INCOMING.mkdir()
    with pytest.raises(UsageError, match=r"no \.report\.zip in it"):
        desk.receive()


def test_a_damaged_index_says_how_to_make_it_again(desk: Desk) -> None:
    desk.send("k000")
    INDEX.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(SetupError, match="is damaged") as error:
        desk.receive()
    assert error.value.next_step == f"remove {INDEX} and import the reports again"
    INDEX.unlink()
    assert desk.receive().new == 1


def test_an_index_of_a_later_version(desk: Desk) -> None:
    desk.send("k000")
    desk.receive()
    connection = sqlite3.connect(INDEX)
    connection.execute("pragma user_version = 9")
    connection.close()
    with pytest.raises(SetupError, match="index version 9, this olivepress reads 2"):
        desk.receive()


def test_an_emulated_device_has_no_times(desk: Desk) -> None:
    desk.send("k000", changes={"emulated": True})
    desk.receive()
    (device_class,) = desk.status().classes
    assert {each.metric for each in device_class.metrics} == {"exact_match", "size_on_disk_bytes"}
    assert device_class.labels == ("emulated",)


def test_a_metric_that_could_not_be_measured_is_none(desk: Desk) -> None:
    metrics = {"decode_tps": not_measured("decode_tps", "the process ended"), "ttft_ms": measured("ttft_ms", 9.0, n=3)}
    desk.send("k000", changes={"metrics": metrics})
    desk.receive()
    assert {each.metric for each in desk.status().classes[0].metrics} == {"ttft_ms"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_full_disk_loses_nothing(desk: Desk) -> None:
    """The index may not grow beyond 40 kB: the import ends in one line, and goes on when there is room."""
    new_fleet(rows(0, 0, 150))
    for number in range(150):
        desk.send(f"k{number:03d}")
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40_960, 40_960)); "
        "from olivepress.cli.main import main; main()"
    )
    full = subprocess.run(
        [sys.executable, "-c", code, "fleet", "import", "incoming"], capture_output=True, text=True, check=False
    )
    assert full.returncode == 7 and "next: check the disk" in full.stderr and "Traceback" not in full.stderr
    done = desk.receive()
    assert done.new + done.unchanged == 150 and done.refused == ()
    assert table("select count(*) from reports") == [(150,)]
    assert table("pragma integrity_check") == [("ok",)]


def test_every_kind_of_refusal_is_documented() -> None:
    text = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    assert len(verifying.KINDS) == 10
    assert [kind for kind in verifying.KINDS if f"| {kind} |" not in text] == []


# --- several processes ------------------------------------------------------------------------------------------------


def test_two_imports_at_once(desk: Desk) -> None:
    """Two real processes on one folder: each report counts once, whichever of the two reads it."""
    new_fleet(rows(60, 60, 60))
    for number in range(180):
        desk.send(f"k{number:03d}", decode_tps=20.0 + number)
    command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "fleet", "import", "incoming"]
    processes = [subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(result["new"] for result in results) == 180
    assert all(result["files"] == 180 and result["refused"] == [] for result in results)
    assert table("select count(*), count(distinct machine) from reports") == [(180, 180)]
    assert table("select count(*) from files where kind = ''") == [(180,)]
