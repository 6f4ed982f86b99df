"""Private parts of Gradio that are exchanged, for want of hooks that are public.

`tests/test_shared_web_patches.py` fails as soon as one of them has changed.
"""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.web.api import UPLOAD_FIRST, is_upload
from shared.web.shell import note_failure

FILES = "/gradio_api/file="


def patch(page: Any) -> None:
    """Exchange all of them.

    Args:
        page: a `gradio.Blocks`, after it was mounted.
    """
    refuse_downloads()
    link_relatively()
    log_briefly()
    # Its list of uploads is for its own cleaning alone; see `shared.web.uploads`.
    page.upload_file_set = _Forgetful()
    # It looks for events a thousand times a second; see `shared.web.queue`.
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = 1.0


def refuse_downloads() -> None:
    """Keep Gradio from fetching what a visitor names, which it does without limit.

    Photos are uploaded. The address of one that was uploaded here stands for it: so
    MCP's clients name photos.
    """
    import gradio as gr
    from gradio import processing_utils

    async def find(url: str, cache_dir: str) -> str:
        folder, _, name = urlsplit(url).path.partition(FILES)[2].rpartition("/")
        path = Path(folder, Path(unquote(name)).name)
        if not is_upload(path):
            raise gr.Error(UPLOAD_FIRST, print_exception=False)
        return str(path)

    async def refuse(url: str) -> Any:
        raise gr.Error(UPLOAD_FIRST, print_exception=False)

    processing_utils.async_ssrf_protected_download = find
    processing_utils.async_ssrf_protected_get = refuse


def link_relatively() -> None:
    """Have Gradio's page find its icon and its manifest as it finds all else.

    Otherwise browsers look for them at the top of whatever server stands before it.
    """
    from gradio.routes import templates
    from jinja2 import ChoiceLoader, DictLoader

    name, loader = "frontend/index.html", templates.env.loader
    if loader is not None:
        source = loader.get_source(templates.env, name)[0]
        links = (
            '<link rel="icon" href="./favicon.ico" />\n<link rel="manifest" href="./'
        )
        source = source.replace('<link rel="manifest" href="/', links)
        templates.env.loader = ChoiceLoader([DictLoader({name: source}), loader])


def log_briefly() -> None:
    """Have a request that is not as it should be written down in a line.

    Gradio prints all of its stack, whoever sends it, and however often.
    """
    from gradio import routes

    vars(routes)["traceback"] = _Brief


class _Brief:
    """The part of the module `traceback` that Gradio's server uses."""

    @staticmethod
    def print_exc() -> None:
        error = sys.exception()
        if error is not None:
            note_failure("An event", error)


class _Forgetful(set):
    def update(self, *_: Any) -> None:
        pass
