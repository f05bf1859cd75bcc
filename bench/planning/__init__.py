"""From a suite file to the specifications of its runs: settings, rows, cells, and how much work each is."""
