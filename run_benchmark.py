"""Entry point of the benchmark: `python run_benchmark.py --help`."""

from bench.cli import main

if __name__ == "__main__":
    main()
