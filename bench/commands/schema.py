"""`schema`: the JSON Schema of suite files."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of suite files, for editors.

    Examples:

    - `schema`
    - `schema > suite.schema.json`
    """
    from bench.planning.reference import schema_text

    typer.echo(schema_text(), nl=False)
