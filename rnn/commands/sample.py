"""The command `rnn sample`."""

from typing import Annotated

import typer


def sample(
    bundle: Annotated[
        str,
        typer.Argument(metavar="[BUNDLE]", help="A trained model; default: included."),
    ] = "included",
    prime: Annotated[
        str, typer.Option(metavar="TEXT", help="How the text begins.")
    ] = "",
    length: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, max=1_000_000, help="Characters or words to write."
        ),
    ] = 500,
    temperature: Annotated[
        float,
        typer.Option(
            metavar="X", min=0, max=100, help="Below 1 more predictable; 0 not random."
        ),
    ] = 1.0,
    top_k: Annotated[
        int, typer.Option(metavar="K", min=0, help="Draw from the K likeliest; 0: all.")
    ] = 0,
    beam_size: Annotated[
        int,
        typer.Option(
            metavar="K", min=0, max=1000, help="Search for a likely text, not drawn."
        ),
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Draw the same again.")
    ] = None,
) -> None:
    """Let a model write, symbol after symbol."""
    from rnn.writing.sampling import sample as run

    drawn = {"temperature": temperature, "top_k": top_k, "seed": seed}
    if beam_size and drawn != {"temperature": 1.0, "top_k": 0, "seed": None}:
        raise typer.BadParameter(
            "--beam-size draws nothing: leave out --temperature, --top-k and --seed"
        )
    for piece in run(
        bundle,
        prime,
        length,
        temperature=temperature,
        top_k=top_k,
        beam_size=beam_size,
        seed=seed,
    ):
        print(piece, end="", flush=True)
    print()
