"""One module per figure: ``.venv/bin/python -m benchmarks.<name> --json``.

Each prints one JSON object as its last line. Figures are ratios or deterministic counts, never a
wall-clock time on its own.
"""
