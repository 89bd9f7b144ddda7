"""``fleet init``: keys, rings, releases; the same call again, an interrupted one, and lists that cannot be used."""

from __future__ import annotations

import base64
import hashlib
import hmac
import stat
import sys
from collections import Counter
from pathlib import Path

import pytest
from fleet_simulation import bundle_file

from olivepress.core.errors import ReportError, SetupError, UsageError
from olivepress.fleet.create import init_fleet
from olivepress.fleet.machines import read_machines
from olivepress.fleet.rings import place, ring_of
from tests.fleet.conftest import BUNDLE, NOW, Desk, new_fleet

CSV = Path("fleets", "shop", "machines.csv")
SECRETS = Path("fleets", "shop", "secrets")


def files() -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in Path("fleets").rglob("*") if path.is_file()}


def test_every_machine_has_a_key_and_the_same_call_again_changes_nothing(desk: Desk) -> None:
    machines = read_machines(CSV)
    assert [machine.name for machine in machines] == ["k000", "k001", "k002"]
    assert len({machine.key for machine in machines}) == 3
    for machine in machines:  # minisign's own reading of the secret key that belongs to it
        import minisign

        with minisign.SecretKey.from_file(SECRETS / f"{machine.name}.key") as key:
            assert bytes(key.get_public_key()).split(b"\n")[1].decode() == machine.key
    before = files()
    again = init_fleet("shop", BUNDLE, Path("list.csv"), now=NOW)
    assert (again.added, again.released, files()) == ((), False, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_secret_keys_are_for_their_owner_alone(desk: Desk) -> None:
    secret = [*SECRETS.iterdir(), Path("fleets", "shop", "ring.key")]
    assert len(secret) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert {"secrets/", "ring.key"} <= set(Path("fleets", "shop", ".gitignore").read_text().split())


def test_an_interrupted_call_goes_on_with_the_keys_that_it_made(desk: Desk) -> None:
    """Killed after the keys and before the list: keys that were carried away already stay valid."""
    keys = {machine.name: machine.key for machine in read_machines(CSV)}
    CSV.unlink()
    Path("fleets", "shop", "fleet.json").unlink()
    (SECRETS / "k001.key").write_bytes(b"")  # cut while it was written
    init_fleet("shop", BUNDLE, Path("list.csv"), now=NOW)
    after = {machine.name: machine.key for machine in read_machines(CSV)}
    assert [name for name in keys if keys[name] == after[name]] == ["k000", "k002"]


def test_a_machine_that_made_its_own_key_keeps_it(desk: Desk) -> None:
    import minisign

    own = bytes(minisign.KeyPair.generate().public_key).split(b"\n")[1].decode()
    Path("more.csv").write_text(f"machine,class,key\nk009,kiosk,{own}\n")
    created = init_fleet("shop", BUNDLE, Path("more.csv"), now=NOW)
    assert created.added == ("k009",)
    assert read_machines(CSV)[-1].key == own
    assert not (SECRETS / "k009.key").exists()


def test_the_ring_is_hmac_of_the_name() -> None:
    """By hand, with hashlib's own definition of RFC 2104; and the shares of 10,000 machines."""
    key, name = bytes(range(32)), b"k000"
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + name).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()
    assert outer == hmac.digest(key, name, "sha256")
    assert place(key, "k000") == int.from_bytes(outer[:8]) / 2**64
    counts = Counter(ring_of(key, f"m{number:05d}") for number in range(10_000))
    assert sum(counts.values()) == 10_000
    assert 60 < counts["canary"] < 150 and 780 < counts["early"] < 1020  # 5 standard deviations about 100 and 900


def test_a_machine_cannot_choose_its_ring(desk: Desk) -> None:
    """Without the key a name says nothing: with two keys the same names fall into different rings."""
    names = [f"m{number:04d}" for number in range(2000)]
    first, second = ({name for name in names if ring_of(bytes([n]) * 32, name) != "broad"} for n in (1, 2))
    assert 0 < len(first & second) < 60  # 20 by chance
    assert Path("fleets", "shop", "ring.key").read_text().strip() != "00" * 32


def test_rings_stay_when_machines_are_added_and_every_class_has_a_canary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle_file(BUNDLE)
    lines = ["machine,class", *(f"m{number:03d},{'kiosk' if number % 2 else 'laptop'}" for number in range(40))]
    new_fleet("\n".join(lines))
    before = {machine.name: machine.ring for machine in read_machines(CSV)}
    canaries = {m.device_class for m in read_machines(CSV) if m.ring == "canary"}
    assert canaries == {"kiosk", "laptop"}
    new_fleet("\n".join([*lines, *(f"n{number:03d},gateway" for number in range(40))]))
    after = {machine.name: machine.ring for machine in read_machines(CSV)}
    assert {name: after[name] for name in before} == before
    assert any(m.ring == "canary" for m in read_machines(CSV) if m.device_class == "gateway")


def test_another_bundle_is_the_next_release(desk: Desk) -> None:
    desk.release("d")
    again = init_fleet("shop", BUNDLE, None, now=NOW)
    assert [release.artifact_sha256[0] for release in again.fleet.releases] == ["c", "d"]
    assert (again.released, again.fleet.present.number) == (False, 2)
    bundle_file(BUNDLE, "c")
    with pytest.raises(UsageError, match="was a release of this fleet before"):
        init_fleet("shop", BUNDLE, None, now=NOW)


@pytest.mark.parametrize("text", ["\ufeffmachine,class\r\nk009,kiosk\r\n", "machine;class\nk009;kiosk\n"])
def test_lists_as_spreadsheets_write_them(desk: Desk, text: str) -> None:
    """With a byte order mark, and with semicolons where a comma is for decimals."""
    assert new_fleet(text).added == ("k009",)


BAD = {
    "no class": ("machine\nk1\n", "line 1: unexpected columns"),
    "an unknown column": ("machine,class,rign\nk1,kiosk,canary\n", "line 1: unexpected columns"),
    "a name that leads elsewhere": ("machine,class\n../k1,kiosk\n", "line 2: machine '../k1'"),
    "an unknown ring": ("machine,class,ring\nk1,kiosk,first\n", "line 2: ring 'first': expected canary, early, broad"),
    "a key that is none": ("machine,class,key\nk1,kiosk,abc\n", "line 2: key of k1"),
    "a name twice": ("machine,class\nk1,kiosk\nK1,kiosk\n", "k1 and K1 have the same name"),
    "one key for two": (
        "machine,class,key\nk1,kiosk,{key}\nk2,kiosk,{key}\n", "k1 and k2 have the same key",
    ),
    "a class of two lines": ('machine,class\nk1,"a\nb"\n', "class of k1"),
    "more values": ("machine,class\nk1,kiosk,canary\n", "line 2: more values than columns"),
    "nothing": ("", "unexpected columns"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_lists_that_cannot_be_used(case: str, desk: Desk) -> None:
    text, expected = BAD[case]
    key = base64.b64encode(b"Ed" + bytes(40)).decode()
    before = files()
    with pytest.raises(UsageError, match=expected):
        new_fleet(text.replace("{key}", key))
    assert files() == before


def test_what_else_is_refused(desk: Desk) -> None:
    Path("not.zip").write_bytes(b"PK")
    with pytest.raises(ReportError, match="not a complete zip file"):
        init_fleet("shop", Path("not.zip"), None, now=NOW)
    with pytest.raises(UsageError, match="a new fleet needs its machines"):
        init_fleet("other", BUNDLE, None, now=NOW)
    with pytest.raises(UsageError, match="expected letters"):
        init_fleet("../other", BUNDLE, None, now=NOW)
    assert sorted(path.name for path in Path("fleets").iterdir()) == ["shop"]
    Path("fleets", "shop", "ring.key").write_text("00")
    Path("more.csv").write_text("machine,class\nk009,kiosk\n")
    with pytest.raises(SetupError, match=r"ring.key: is damaged"):
        init_fleet("shop", BUNDLE, Path("more.csv"), now=NOW)
