"""The page put together: models, tabs, endpoints, and the server around them.

The only file that imports all of `captioner`, `vqa` and `rnn`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.errors import AppError
from shared.included import included_model
from shared.text.vocabulary import BOS

if TYPE_CHECKING:
    import gradio as gr
    from fastapi import FastAPI

    from captioner.archive.album import Album
    from captioner.describing.photo_captioner import PhotoCaptioner
    from rnn.page_tab import Writer
    from shared.web.turns import Turns
    from vqa.answering.photo_answerer import PhotoAnswerer

INCLUDED = "included"
# Requests of a kind that are worked on. With 1, 2, 4 and 8, 20 people had 25.2, 25.6,
# 25.9 and 26.8 captions a second on two cores, with two threads for each net no more;
# that many only let small photos pass the large ones, see
# `shared.vision.photo_cache`. Gradio's batches of 4 would save 4 of 40 ms of a
# processor for each photo, but know the state of their first visitor alone.
AT_ONCE = 8
SESSIONS = 256  # of which Gradio keeps what each sees; nothing depends on it
BATCH = 16  # photos of one upload; the Folder tab sends half as many
LOCAL = ("127.0.0.1", "::1", "localhost")  # hosts that only this computer reaches


@dataclass(frozen=True)
class Settings:
    """How the page is served.

    Attributes:
        captioners, answerers: folders of bundles; none is the included one.
        host, port: where it listens; port 0 is one that is free.
        users: name and password of those who may use it; none is everybody.
        mcp: whether programs may use it as a tool, by the Model Context Protocol.
        largest: of an uploaded photo, MB.
        browser: whether to open it in one.
        host_names: names by which it may be called besides its own.
        proxies: addresses of servers before it, which say whom they ask for.
        root_path: below which it is, behind another server, such as "/captions".
        writers: folders of language models, for the tab that looks inside; as above.
        archive: whose photos can be searched; None is none, and no tab for it.
    """

    captioners: Sequence[Path] = ()
    answerers: Sequence[Path] = ()
    host: str = "127.0.0.1"
    port: int = 7860
    users: Sequence[tuple[str, str]] = ()
    mcp: bool = False
    largest: int = 20
    browser: bool = False
    host_names: Sequence[str] = ()
    proxies: Sequence[str] = ()
    root_path: str = ""
    writers: Sequence[Path] = ()
    archive: Path | None = None

    @property
    def may_edit(self) -> bool:
        """Whether visitors are people who may change what the archive says.

        Those who have logged in, or whoever sits at this computer: not if a server
        before the page, or a name for it, tells that others come.
        """
        others = self.proxies or self.host_names or self.root_path
        return bool(self.users) or (self.host in LOCAL and not others)


@dataclass(frozen=True)
class Models:
    """The models of the page, by name."""

    captioners: "dict[str, PhotoCaptioner]"
    answerers: "dict[str, PhotoAnswerer]"
    encoders: dict[str, str]  # answerer -> name of what it finds in a photo
    cards: dict[str, str]  # heading -> Markdown
    writers: "dict[str, Writer]"
    album: "Album | None" = None


def load_models(settings: Settings) -> Models:
    """Load all models, and find out which encoders find the same in a photo.

    Raises:
        AppError: if one cannot be loaded.
    """
    from captioner.describing.predict import SHIPPED as CAPTIONER
    from captioner.describing.predict import load_captioner
    from rnn.net.bundles import find_bundle
    from shared.bundles.folder import read_card
    from vqa.answering.predict import SHIPPED as VQA
    from vqa.answering.predict import load_vqa

    folders = {
        "Captions": _names(settings.captioners or [CAPTIONER]),
        "Answers": _names(settings.answerers or [VQA]),
        "Texts": _names(settings.writers or [find_bundle(INCLUDED)]),
    }
    album = _find_album(settings, [*folders["Captions"].values()])
    captioners = {
        name: load_captioner(folder) for name, folder in folders["Captions"].items()
    }
    answerers = {name: load_vqa(folder) for name, folder in folders["Answers"].items()}
    cards = {
        f"{task}: {name}": read_card(folder)
        for task, named in folders.items()
        for name, folder in named.items()
    }
    encoders = {
        name: _alike(one, captioners) or f"vqa {name}"
        for name, one in answerers.items()
    }
    writers = {name: _load_writer(folder) for name, folder in folders["Texts"].items()}
    own = album and album([*captioners.values()])
    return Models(captioners, answerers, encoders, cards, writers, own)


def _find_album(
    settings: Settings, folders: Sequence[Path]
) -> "Callable[[Sequence[PhotoCaptioner]], Album] | None":
    """Refuse an archive that cannot be used at once, before models load.

    Returns:
        makes the album, given the captioners of these folders; None without archive.
    """
    from captioner.archive.album import Album, find_captioner

    path = settings.archive
    if path is None:
        return None
    place, sha256 = find_captioner(path, folders)
    return lambda loaded: Album(path, loaded[place], sha256, settings.may_edit)


def _load_writer(folder: Path) -> "Writer":
    from rnn.net.runtime import load_runtime
    from rnn.page_tab import Writer

    config, symbols, runtime = load_runtime(folder)
    return Writer(config.net, symbols, runtime)


def load_warm(settings: Settings) -> Models:
    """Load all models, and let each work once, so that no visitor waits for it.

    Raises:
        AppError: if one cannot be loaded.
    """
    models = load_models(settings)
    for captioner in models.captioners.values():
        side = captioner.config.encoder.image_size
        looked = captioner.look(np.zeros((1, side, side, 3), np.uint8))
        captioner.write(looked, *captioner.request())
        captioner.weigh(looked, ())
    for answerer in models.answerers.values():
        warm(answerer)
    for writer in models.writers.values():
        writer.runtime.look(np.array([BOS], np.int32), writer.runtime.begin(1))
    return models


def warm(answerer: "PhotoAnswerer") -> None:
    """Let each part of a model that answers work once."""
    from vqa.text.words import encode_answers

    config, runtime = answerer.config, answerer.runtime
    side, length = config.encoder.image_size, config.vocabulary.max_words
    features = runtime.look(np.zeros((side, side, 3), np.uint8))
    question, concepts = ["what"], answerer.concepts
    tokens = answerer.vocabulary.encode(question, length)[None]
    asked = concepts.find(question)[None] if concepts else None
    runtime.answer(features, tokens, asked)
    runtime.guess(tokens)
    if config.objective == "boxes":
        halves = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1]], np.float32)
        runtime.encode_boxes(features, halves)
    else:
        runtime.encode(encode_answers(["yes", "no"], answerer.vocabulary))


def _names(folders: Sequence[Path]) -> dict[str, Path]:
    """Name bundles by their folders, each differently."""
    from captioner.describing.predict import SHIPPED as CAPTIONER
    from vqa.answering.predict import SHIPPED as VQA

    named: dict[str, Path] = {}
    for folder in folders:
        own = folder in (CAPTIONER, VQA, included_model("rnn"))
        resolved = folder.resolve()
        short = INCLUDED if own else resolved.name
        if short == "bundle":  # where `train` puts it
            short = resolved.parent.name
        name, number = short, 2
        while name in named:
            name, number = f"{short} {number}", number + 1
        named[name] = folder
    return named


def _alike(answerer: "PhotoAnswerer", captioners: "dict[str, PhotoCaptioner]") -> str:
    """Name the captioner whose encoder finds the same in a photo, or nothing."""
    from shared.vision.photo_cache import view_of

    side, _ = view_of(answerer)
    probe = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    found = answerer.runtime.look(probe)
    for name, captioner in captioners.items():
        if view_of(captioner) != view_of(answerer):
            continue
        features = captioner.runtime.encode(probe[None])
        if len(features) == 1 and np.array_equal(features[0][0], found):
            return name
    return ""


def build_page(models: Models, settings: Settings, turns: "Turns") -> "gr.Blocks":
    """Put the page together; its events take turns."""
    import gradio as gr

    from captioner.page.api import CaptionApi
    from captioner.page.describe_tab import DescribeTab
    from captioner.page.folder_tab import FolderTab
    from captioner.page.photo_column import PhotoColumn
    from captioner.page.search_tab import SearchTab
    from rnn.page_tab import LookTab
    from shared.vision.photo_cache import Photos, view_of
    from shared.web.api import publish
    from shared.web.components import ABOUT, TITLE, card_text
    from vqa.page.answer_tab import AskTab
    from vqa.page.api import AskApi

    both = (*models.captioners.values(), *models.answerers.values())
    photos = Photos({view_of(one) for one in both})
    describe = DescribeTab(models.captioners, photos)
    ask = AskTab(models.answerers, photos, models.encoders)
    look = LookTab(models.writers, describe.trace)
    column = PhotoColumn(photos, describe)
    search = SearchTab(models.album) if models.album else None
    tabs: Any = {"elem_id": "tabs", "elem_classes": ["sr-six"] if search else []}
    with gr.Blocks(title="Sightread", fill_width=True) as page:
        gr.HTML(TITLE, elem_id="title", js_on_load=None)
        with gr.Row(elem_id="workspace"):
            with gr.Column(scale=5, min_width=320, elem_id="photo-column"):
                column.build(settings.largest)
            with gr.Column(scale=6, min_width=320), gr.Tabs(**tabs):
                with gr.Tab("Describe", elem_id="describe-tab"):
                    describe.build(turns)
                with gr.Tab("Ask", elem_id="ask-tab"):
                    ask.build(turns)
                if search:
                    with gr.Tab("Search", elem_id="search-tab"):
                        search.build(turns)
                with gr.Tab("Folder", elem_id="folder-tab"):
                    FolderTab(models.captioners, settings.largest).build()
                with gr.Tab("Look inside", elem_id="look-tab"):
                    look.build(turns, describe.model)
                with gr.Tab("About", elem_id="about-tab"):
                    gr.Markdown(ABOUT)
                    for heading, card in models.cards.items():
                        with gr.Accordion(heading, open=False):
                            gr.Markdown(card_text(card))
        column.listen(ask.answers, turns)
        if search:
            search.listen(column, turns)
        api = CaptionApi(models.captioners, photos)
        answer = AskApi(models.answerers, photos).ask
        publish(api.caption, api.caption_candidates, api.alternatives, answer)
    return page


def build_server(page: "gr.Blocks", settings: Settings, turns: "Turns") -> "FastAPI":
    """Serve the page, within limits.

    Raises:
        AppError: if it cannot be served by the Model Context Protocol, as it should be.
    """
    from gradio.utils import get_upload_folder

    from shared.web.belongings import Belongings
    from shared.web.below import Below, Mounted
    from shared.web.connections import spare_files
    from shared.web.hosts import Hosts
    from shared.web.logins import Login
    from shared.web.opening import Opening
    from shared.web.queue import Queue
    from shared.web.shell import Shell
    from shared.web.uploads import Uploads

    server = _mount(page, settings)
    if settings.root_path:
        server.add_middleware(Mounted)
    endpoints = page.get_api_info()["named_endpoints"]
    parameters = {name[1:]: one["parameters"] for name, one in endpoints.items()}
    server.add_middleware(Queue, parameters=parameters)
    if not settings.users:
        server.add_middleware(Opening)
    else:
        server.add_middleware(Belongings)
        server.add_middleware(Login, users=settings.users)
    server.add_middleware(
        Shell,
        uploads=Uploads(Path(get_upload_folder()), spare_files()),
        largest_upload=(1 + BATCH * settings.largest) * 10**6,
        largest_photo=(1 + settings.largest) * 10**6,
        hosts=Hosts(settings.host, settings.host_names),
        is_crowded=lambda: turns.are_waited_for,
    )
    if settings.root_path:
        server.add_middleware(Below, root_path=settings.root_path)
    return server


def _mount(page: "gr.Blocks", settings: Settings) -> "FastAPI":
    """Have a server show the page, as Gradio shows it; nothing is limited yet."""
    import gradio as gr

    from shared.web.components import HEAD, MARK, STYLES, make_theme
    from shared.web.logins import user_of
    from shared.web.patches import patch
    from shared.web.shell import ASSETS, make_server

    page.queue(api_open=True)  # to `Queue` alone
    page.state_session_capacity = SESSIONS
    server = make_server()
    gr.mount_gradio_app(
        server,
        page,
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        footer_links=[],
        run_history=False,
        app_kwargs={"openapi_url": None},  # it would list Gradio's insides
        auth_dependency=user_of if settings.users else None,
        show_error=False,
        max_file_size=f"{settings.largest}mb",
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=settings.mcp,
        theme=make_theme(),
        favicon_path=str(MARK),
        css_paths=[ASSETS / name for name in STYLES],
        head=HEAD,
        js="() => sightread.takePhotos('#photo')",
        root_path=settings.root_path,
    )
    if settings.mcp and page.mcp_server_obj is None:
        raise AppError(f"--mcp does not work here: {page.mcp_error}")
    # Gradio sets it for pages that it serves itself. Without it, it lets a request name
    # any file of this computer in the place of an upload.
    page.has_launched = True
    patch(page)
    return server
