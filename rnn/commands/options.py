"""Options that commands of the laboratory share, as types of their parameters."""

from typing import Annotated, Any

import typer


def texts(about: str) -> Any:
    """Give an option that names texts; `about` says what they are for."""
    return typer.Option(metavar="FILE|DIR|GLOB", help=about)


Text = Annotated[list[str], texts("Text files; may be repeated.")]
Bundle = Annotated[
    str,
    typer.Argument(metavar="BUNDLE", help="A trained model's folder, or `included`."),
]
