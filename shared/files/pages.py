"""The beginning of an HTML page that needs nothing but itself."""

import base64
import hashlib
from html import escape


def begin_page(
    title: str, style: str, *, images: bool = False, script: str = ""
) -> str:
    """Begin a page, as far as what it shows.

    Its policy lets nothing be loaded, whatever a file name or a text on it says.

    Args:
        title: as text.
        style: its CSS.
        images: whether images stand in it, as data.
        script: what alone may run, to the letter; empty allows none.
    """
    policy = ["default-src 'none'", "style-src 'unsafe-inline'"]
    if images:
        policy.append("img-src data:")
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy.append(f"script-src 'sha256-{digest}'")
    return f"""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{"; ".join(policy)}">
<title>{escape(title)}</title>
<style>
{style}</style>
"""
