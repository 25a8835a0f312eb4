"""The media benchmark measures what it says; how fast it was is no matter of a test."""

import json
import subprocess
import sys

CASES = ("jpeg", "progressive", "png", "small", "pyvips_jpeg", "pyvips_png", "pyvips_small")


def test_media_benchmark_prints_every_figure_of_small_pictures() -> None:
    sizes = ("--rounds", "1", "--files", "4", "--scale", "0.4")
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.media", "--json", *sizes],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    figures = json.loads(finished.stdout.splitlines()[-1])
    for case in CASES:
        for figure in ("ms", "inside_ms", "peak_mib", "bytes"):
            assert figures[f"{case}_{figure}"] > 0
        sharp = f"sharp_{case.removeprefix('pyvips_')}"
        for ratio, figure in (("time", "ms"), ("memory", "peak_mib")):
            expected = figures[f"{case}_{figure}"] / figures[f"{sharp}_{figure}"]
            assert abs(figures[f"{case}_{ratio}_ratio_to_sharp"] - expected) < 0.01
        # As large and as good as sharp's: otherwise their times would not compare.
        assert figures[f"{case}_psnr_db"] > figures[f"{sharp}_psnr_db"] - 6
    assert abs(figures["jpeg_bytes"] / figures["sharp_jpeg_bytes"] - 1) < 0.1
    assert figures["files_per_s"] > 0
    assert figures["files"] == 4
