"""How fast pictures are shrunk, beside sharp: ``python -m benchmarks.media --json``.

An 18 MB-class photograph of 8000 x 6000 as baseline and as progressive JPEG, a PNG of 12 megapixels
and a JPEG of 1 MB become 1024 px wide. Every run is a process of its own, timed from its start to
its end with the start of its interpreter in it: ``node sharp.mjs`` there; here the child as
production starts it, sandbox and all. Rounds are interleaved because machines are noisy, and minima
are compared. ``..._inside_ms`` is the work alone by each process's own clock, libraries loaded.
Memory is the whole process's largest resident size. Results have the same width; their bytes, and
their distance in dB from a Lanczos filter over every pixel, stand beside.

Then two workers shrink 200 mixed files through ``shrink``, as the decision job does.
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.chain import BenchmarkError
from benchmarks.media_pictures import CASES, MIX, Case, Source, made
from benchmarks.media_runs import CONTENDERS, Contender, Run, run
from offchain.media.imaging.outcomes import Shrunk
from offchain.media.imaging.running import shrink

ROUNDS = 7
FILES = 200
WORKERS = 2
SAME = 1e-5
"""Mean square of an error that is none: 98 dB."""
Runs = dict[tuple[Case, Contender], list[Run]]


def measure(
    directory: Path, rounds: int, files: int, scale: float, progress: Progress
) -> dict[str, Any]:
    """Make the pictures, shrink them by turns, then in bulk."""
    task = progress.add_task("making pictures", total=len(CASES) + rounds + 1)
    sources = []
    for source in made(directory, scale):
        sources.append(source)
        progress.advance(task)
    runs: Runs = {(case, contender): [] for case in CASES for contender in CONTENDERS}
    for number in range(rounds):
        progress.update(task, description=f"round {number + 1} of {rounds}")
        for source in sources:
            for contender in CONTENDERS:
                target = directory / f"{source.case}.{contender}"
                runs[source.case, contender].append(run(contender, source, target))
        progress.advance(task)
    figures = _figures(runs, sources, directory)
    progress.update(task, description=f"{files} files, {WORKERS} workers")
    figures |= throughput(sources, directory, files)
    progress.advance(task)
    return {**figures, "rounds": rounds, "scale": scale}


def _figures(runs: Runs, sources: Sequence[Source], directory: Path) -> dict[str, Any]:
    """Minima, ratios of minima, and what came out."""
    figures: dict[str, Any] = {}
    for source in sources:
        sharp = _least(runs[source.case, "sharp"])
        figures[f"{source.case}_source_bytes"] = source.path.stat().st_size
        for contender in CONTENDERS:
            name = source.case if contender == "pillow" else f"{contender}_{source.case}"
            least = _least(runs[source.case, contender])
            figures |= {f"{name}_{figure}": round(value, 1) for figure, value in least.items()}
            if contender != "sharp":
                time_ratio = least["ms"] / sharp["ms"]
                inside_ratio = least["inside_ms"] / sharp["inside_ms"]
                figures[f"{name}_time_ratio_to_sharp"] = round(time_ratio, 3)
                figures[f"{name}_inside_time_ratio_to_sharp"] = round(inside_ratio, 3)
                memory_ratio = least["peak_mib"] / sharp["peak_mib"]
                figures[f"{name}_memory_ratio_to_sharp"] = round(memory_ratio, 3)
            result = directory / f"{source.case}.{contender}"
            figures[f"{name}_bytes"] = result.stat().st_size
            figures[f"{name}_psnr_db"] = round(_psnr_db(result, source.best), 1)
    return figures


def _least(runs: Sequence[Run]) -> dict[str, float]:
    return {
        "ms": min(one.ms for one in runs),
        "inside_ms": min(one.inside_ms for one in runs),
        "peak_mib": min(one.peak_mib for one in runs),
    }


def _psnr_db(result: Path, best: Image.Image) -> float:
    """Peak signal-to-noise ratio of a result.

    Raises:
        BenchmarkError: It is not as large as it should be.
    """
    with Image.open(result, formats=["JPEG", "PNG"]) as picture:
        if picture.size != best.size:
            raise BenchmarkError(f"{result.name} is {picture.size}, not {best.size}")
        error = np.asarray(picture.convert("RGB"), np.float64) - np.asarray(best, np.float64)
    return 10 * math.log10(255**2 / max(float((error**2).mean()), SAME))


def throughput(sources: Sequence[Source], directory: Path, files: int) -> dict[str, float]:
    """Files a second of two workers."""
    by_case = {source.case: source for source in sources}
    work = list(islice(cycle(MIX), files))

    def one(number: int) -> int:
        source = by_case[work[number]]
        outcome = shrink(source.path, source.content_type, directory / f"{number}.bulk")
        if not isinstance(outcome, Shrunk):
            raise BenchmarkError(f"{source.path.name} was kept: {outcome.reason}")
        return source.path.stat().st_size

    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as workers:
        read_bytes = sum(workers.map(one, range(files)))
    wall_s = time.perf_counter() - started
    return {
        "files_per_s": round(files / wall_s, 2),
        "megabytes_per_s": round(read_bytes / wall_s / 1e6, 1),
        "files": files,
    }


def draw(figures: Mapping[str, Any], console: Console) -> None:
    """Show the figures beside sharp's."""
    table = Table("picture", "by", "ms", "x sharp", "inside", "MiB", "x sharp", "bytes", "dB")
    for case in CASES:
        for contender in CONTENDERS:
            name = case if contender == "pillow" else f"{contender}_{case}"
            shown = (
                "ms", "time_ratio_to_sharp", "inside_ms", "peak_mib", "memory_ratio_to_sharp",
                "bytes", "psnr_db",
            )  # fmt: skip
            cells = [str(figures.get(f"{name}_{figure}", 1)) for figure in shown]
            table.add_row(case, contender, *cells)
    console.print(table)
    console.print(f"{figures['files_per_s']} files a second, {figures['megabytes_per_s']} MB/s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure how fast pictures are shrunk.")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="runs of each, interleaved")
    parser.add_argument("--files", type=int, default=FILES, help="files of the bulk run")
    parser.add_argument("--scale", type=float, default=1.0, help="of the pictures' sides")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, quiet=options.json)
    with (
        tempfile.TemporaryDirectory(prefix="lastro-media-") as home,
        Progress(console=console, transient=True) as progress,
    ):
        figures = measure(Path(home), options.rounds, options.files, options.scale, progress)
    draw(figures, console)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
