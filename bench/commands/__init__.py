"""One module for each group of commands of the command line."""

HELP = {"help_option_names": ["-h", "--help"]}
"""What every command is registered with."""
