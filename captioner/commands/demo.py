"""The page's command line, `captioner demo`: its options, its start and its end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.console.packages import other_package
from shared.console.progress import describe, say
from shared.console.quiet import muted
from shared.errors import AppError

if TYPE_CHECKING:
    from concurrent.futures import Future

    import gradio as gr

    from captioner.page.assembly import Models, Settings
    from shared.web.turns import Turns

MCP = ">=1.21,<2"  # what Gradio's part for it is written for
OPEN_TO_ALL = (
    "warning: every computer in the network can use this page. --auth FILE asks for "
    "passwords."
)
OPEN_TO_USERS = (
    "warning: passwords and photos cross the network as they are. Put a server that "
    "speaks HTTPS before the page unless you trust the network."
)


def serve(settings: "Settings") -> None:
    """Serve the page until it is interrupted.

    Raises:
        AppError: if a model cannot be loaded, the port is taken, or what the page is
            built with is not installed.
        KeyboardInterrupt: when it is interrupted.
    """
    from concurrent.futures import ThreadPoolExecutor

    from captioner.page.assembly import AT_ONCE, build_server, load_warm
    from shared.web.serving import ending_cleanly, is_open, listen, run

    _check_installed(settings.mcp)
    from shared.web.turns import Turns
    from shared.web.uploads import forget, use_own_folder

    with listen(settings.host, settings.port) as listening, ending_cleanly():
        if is_open(listening):
            say(OPEN_TO_ALL if not settings.users else OPEN_TO_USERS)
        folder = use_own_folder()
        try:
            # In the loader's thread nothing could be muted any more.
            with muted(), ThreadPoolExecutor(1) as loader:
                loading = loader.submit(load_warm, settings)
                turns = Turns(AT_ONCE)
                page = _build(loading, settings, turns)
                server = build_server(page, settings, turns)
            run(
                server,
                listening,
                lambda where: _announce(where, settings),
                settings.proxies,
            )
        finally:
            forget(folder)


def _check_installed(mcp: bool) -> None:
    """Refuse at once what would fail after seconds of loading.

    Raises:
        AppError: if a package is missing, or hidden by another one of its name.
    """
    from importlib.util import find_spec

    if reason := other_package("vqa"):
        raise AppError(reason)
    if find_spec("gradio") is None:
        raise AppError(
            "The page needs Gradio, which is not installed. Install sightread with all "
            "that it depends on: pip install sightread"
        )
    if mcp:
        _check_mcp()


def _check_mcp() -> None:
    """Refuse versions of the package `mcp` that Gradio cannot work with.

    With them the page would be served, and nothing found at the tools' address.

    Raises:
        AppError: if it is missing, or another version.
    """
    from importlib.metadata import PackageNotFoundError, version

    from packaging.specifiers import SpecifierSet

    try:
        found = version("mcp")
    except PackageNotFoundError:
        found = ""
    if found and SpecifierSet(MCP).contains(found, prereleases=True):
        return
    state = f"not {found}, which is installed" if found else "which is not installed"
    raise AppError(
        f"--mcp needs the package mcp{MCP}, {state}: pip install 'sightread[mcp]'"
    )


def _build(
    loading: "Future[Models]", settings: "Settings", turns: "Turns"
) -> "gr.Blocks":
    """Put the page together while models load: importing Gradio takes longer."""
    import gradio  # noqa: F401

    from captioner.page.assembly import build_page

    return build_page(loading.result(), settings, turns)


def _announce(where: str, settings: "Settings") -> None:
    if settings.root_path:
        where = f"{where}{settings.root_path}/"
    print(where, flush=True)
    if settings.browser:
        import webbrowser

        webbrowser.open(where)


def demo(
    captioner: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="A trained captioner; default: the one included. Of several, "
            "visitors choose one.",
        ),
    ] = None,
    vqa: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="The same for the model that answers."),
    ] = None,
    rnn: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="The same for a language model to look into."),
    ] = None,
    db: Annotated[
        Path | None,
        typer.Option(
            "--db",
            metavar="FILE",
            help="An archive of `captioner index`: visitors can search its photos and "
            "see them.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="0.0.0.0 opens the page to the network."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="0 finds a free one.")
    ] = 7860,
    auth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Who may use the page: lines name:password. Without the option, the "
            "environment variable SIGHTREAD_AUTH may hold such lines.",
        ),
    ] = None,
    mcp: Annotated[
        bool, typer.Option("--mcp", help="Let agents use it: Model Context Protocol.")
    ] = False,
    max_upload: Annotated[
        int, typer.Option(metavar="MB", min=1, max=1000, help="Largest photo.")
    ] = 20,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which browsers may call the page, such as that of a server "
            "before it; by default its own address, or this computer's names.",
        ),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="A server before the page, whose X-Forwarded-For is believed.",
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser.")
    ] = False,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Where a server before it has the page, such as /captions.",
        ),
    ] = "",
) -> None:
    """Serve a page to describe photos and ask about them.

    Prints the page's address once it answers. Ctrl-C ends it and deletes what was
    uploaded.
    """
    from captioner.page.assembly import Settings
    from shared.web.below import read_root_path
    from shared.web.logins import read_users

    settings = Settings(
        captioner or (),
        vqa or (),
        host,
        port,
        read_users(auth),
        mcp,
        max_upload,
        browser,
        host_name or (),
        proxy or (),
        read_root_path(root_path),
        rnn or (),
        db,
    )
    try:
        serve(settings)
    except MemoryError as error:
        raise AppError(describe(error, "Close other programs.")) from error
