"""A disk that fills up in mid-write, from the start, again and again: everything committed before is safe."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.refusals import Finished, assert_refused, long
from tests.worlds import (
    COMMAND,
    FIRST_BLOCK,
    HALF_OF_DEVWORLD,
    assert_equal_ledgers,
    command_environment,
    exports,
    world_of,
)


class SmallDisk:
    """A file system of a chosen size, in a mount namespace of its own: it goes away with the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = (
            'mount -t tmpfs -o size=200m tmpfs "$0" && echo ready && '
            'while read size; do mount -o "remount,size=$size" "$0" && echo ready; done'
        )
        self._process = subprocess.Popen(
            ["unshare", "-Urm", "sh", "-c", script, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._heard()

    def _heard(self) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            _, said = self._process.communicate()
            pytest.skip(f"no file system can be mounted here: {said.strip()}")

    def resize(self, kilobytes: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kilobytes}k\n")
        self._process.stdin.flush()
        self._heard()

    def used(self) -> int:
        """Kilobytes in use."""
        done = self._inside(["df", "-k", "--output=used", str(self.folder)])
        return int(done.stdout.split()[-1])

    def run(self, url: str, *arguments: str) -> Finished:
        return self._inside([*COMMAND, "-w", str(self.folder / "w"), *arguments], url)

    def _inside(self, command: list[str], url: str = "http://127.0.0.1:1") -> Finished:
        enter = ["nsenter", "-t", str(self._process.pid), "-U", "-m", "--preserve-credentials"]
        return subprocess.run(
            [*enter, *command], capture_output=True, text=True, timeout=120, env=command_environment(url)
        )

    def copied(self, folder: Path) -> Path:
        """A copy of the workspace outside."""
        assert self._inside(["cp", "-r", str(self.folder / "w"), str(folder)]).returncode == 0
        return folder

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("a small file system needs Linux with unshare and nsenter")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = SmallDisk(folder)
    yield made
    made.close()


def test_a_disk_that_fills_up_in_mid_write(
    disk: SmallDisk, half_world: Path, devworld: Path, url: str, tmp_path: Path
) -> None:
    assert disk.run(url, "sync", "--to", str(HALF_OF_DEVWORLD)).returncode == 0
    disk.resize(disk.used() + 400)
    done = disk.run(url, "sync")
    assert_refused(done, 4, "is full", "Free some space", "same command again")
    # What was there is there, and can be read on the full disk.
    assert disk.run(url, "verify").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "full")), exports(half_world))
    disk.resize(200_000)
    assert disk.run(url, "sync").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "out")), exports(devworld))


@long
@pytest.mark.parametrize("kilobytes", [4, 8, 40, 200, 600, 1000, 1400])
def test_a_disk_that_is_full_from_the_start(
    kilobytes: int, disk: SmallDisk, devworld: Path, url: str, tmp_path: Path
) -> None:
    disk.resize(kilobytes)
    for _ in range(2):
        done = disk.run(url, "sync")
        assert done.returncode == 4, done.stderr
        assert done.stderr.splitlines()[-1].startswith("The disk that holds")
        assert "Traceback" not in done.stderr
    disk.resize(200_000)
    assert disk.run(url, "sync").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "out")), exports(devworld))


@long
def test_a_disk_that_fills_up_again_and_again(disk: SmallDisk, devworld: Path, url: str, tmp_path: Path) -> None:
    disk.resize(500)
    codes = []
    for _ in range(60):
        done = disk.run(url, "sync", "--to", str(min(world_of().to_block, FIRST_BLOCK + 40 * (len(codes) + 1))))
        codes.append(done.returncode)
        assert done.returncode in {0, 4}, done.stderr
        assert "Traceback" not in done.stderr
        if done.returncode == 0 and len(codes) > 14:
            break
        disk.resize(disk.used() + 150)
    assert 4 in codes
    disk.resize(200_000)
    assert disk.run(url, "sync").returncode == 0
    assert_equal_ledgers(exports(disk.copied(tmp_path / "out")), exports(devworld))
