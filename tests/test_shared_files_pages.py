"""Pages that need nothing but themselves: what they may do, and their titles."""

import base64
import hashlib
import re

from shared.files.pages import begin_page


def policy(page):
    (found,) = re.findall(r'Security-Policy" content="([^"]*)"', page)
    return set(found.split("; "))


def test_nothing_is_loaded_and_nothing_runs():
    page = begin_page("A page", "p { margin: 0 }\n")
    assert page.startswith("<!doctype html>\n")
    assert page.endswith("<style>\np { margin: 0 }\n</style>\n")
    assert policy(page) == {"default-src 'none'", "style-src 'unsafe-inline'"}


def test_images_and_one_script_may_be_allowed():
    script = 'say("é")\n'
    found = policy(begin_page("", "", images=True, script=script))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert {"img-src data:", f"script-src 'sha256-{digest}'"} <= found


def test_a_title_is_no_html():
    assert "<title>a &lt;b&gt; &amp; c</title>" in begin_page("a <b> & c", "")
