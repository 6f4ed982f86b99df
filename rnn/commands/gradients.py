"""Command to see what flows back through a net: `rnn gradients`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rnn.commands.options import texts
from shared.console import options
from shared.console.progress import progress_bar, say
from shared.console.quiet import importing_keras
from shared.files.atomic import check_target, replace_file, write_text
from shared.nets.names import CELLS

# Heavy imports wait inside the commands: --help takes a tenth of a second.

PICTURES = (".png", ".svg", ".pdf")


def gradients(
    bundle: Annotated[
        str | None,
        typer.Argument(
            metavar="[BUNDLE]",
            help="A trained model, or the folder of its run; default: new cells.",
        ),
    ] = None,
    toy: Annotated[
        bool, typer.Option("--toy", help="The lectures' net of 5 units, by hand.")
    ] = False,
    text: Annotated[
        list[str] | None,
        texts("What the model reads; default: what it writes itself."),
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this new cell; may be repeated."),
    ] = None,
    units: Annotated[int, typer.Option(min=1, max=4096, help="Of new cells.")] = 64,
    steps: Annotated[
        int, typer.Option(min=2, max=2000, help="How far back to look.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn at random.")] = 0,
    output: Annotated[
        Path | None,
        options.output(
            "A picture (.png, .svg, .pdf); the numbers come beside it, as .json."
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show how far the gradient flows back: the norm of dL/dh over the distance.

    Of new cells, in each way in which their weights may start; or of a trained model,
    as it started and as it is, with how often clipping acted in its run.
    """
    _check_options(bundle, toy, text, cell)
    if output:
        check_target(output, PICTURES, overwrite)
        check_target(output.with_suffix(".json"), (".json",), overwrite)
    if toy:
        from rnn.flow.reports import draw_toy, format_toy
        from rnn.flow.toy import run_toy

        toys = run_toy(steps=50 if steps == 100 else steps, seed=seed)
        print(format_toy(toys))
        flowed = [{"rate": one.rate, "norms": one.norms.tolist()} for one in toys]
        _write(output, lambda: draw_toy(toys), {"toy": flowed})
        return
    with importing_keras():
        from rnn.flow.gradients import measure_new, starts_of
        from rnn.flow.trained import measure_bundle
    from rnn.flow.reports import draw_flow, flow_numbers, format_clipping, format_flow

    clipping: list[dict[str, Any]] = []
    if bundle is not None:
        lines, clipping = measure_bundle(bundle, text or [], steps, seed)
    else:
        names, lines = cell or list(CELLS), []
        count = sum(len(starts_of(name)) for name in names)
        with progress_bar("cells", count, unit="cells") as advance:
            for line in measure_new(names, units, steps, seed):
                lines.append(line)
                advance(len(lines))
    print(format_flow(lines))
    if found := format_clipping(clipping):
        print(f"\n{found}")
    numbers = {"flow": flow_numbers(lines), "clipping": clipping}
    _write(output, lambda: draw_flow(lines), numbers)


def _check_options(
    bundle: str | None, toy: bool, text: list[str] | None, cell: list[str] | None
) -> None:
    """Refuse what says nothing together, and cells that there are not."""
    if toy and (bundle or text or cell):
        raise typer.BadParameter("--toy is a net of its own; leave out all else")
    if bundle and cell:
        raise typer.BadParameter("a trained model has its cells; leave out --cell")
    if text and not bundle:
        raise typer.BadParameter("--text is for a trained model to read; give BUNDLE")
    for name in cell or []:
        if name not in CELLS:
            raise typer.BadParameter(
                f"there is no cell {name!r}. There are {', '.join(CELLS)}"
            )


def _write(output: Path | None, draw: Any, numbers: dict[str, Any]) -> None:
    if output is None:
        return
    with replace_file(output) as new:
        draw().savefig(new, format=output.suffix[1:].lower(), dpi=110)
    write_text(output.with_suffix(".json"), json.dumps(numbers) + "\n")
    say(f"{output}, and the numbers in {output.with_suffix('.json')}")
