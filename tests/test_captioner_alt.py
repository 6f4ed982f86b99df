import csv
import json
import random
import re
import stat
import sys
import types
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import draw

from captioner.alt import pages as pages_module
from captioner.alt.job import describe_site
from captioner.alt.wording import LONGEST, to_alt
from captioner.cli import main

SAID = 'A dog\'s "ball" & <hat> {x} on a table.'
ALT = "A dog&#x27;s &quot;ball&quot; &amp; &lt;hat&gt; &#123;x&#125; on a table"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with photos of 40 x 40 px."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b c.jpg", "ü.jpg", "in/d.png", "unsure.png", "large.png"):
        Path("site", name).parent.mkdir(parents=True, exist_ok=True)
        draw_large(Path("site", name))
    draw("site/small.png")
    Path("site/broken.jpg").write_bytes(b"rubbish")
    draw_large(Path("outside.png"))
    return Path("site")


def draw_large(path):
    from PIL import Image

    Image.new("L", (40, 40), 100).save(path, "PNG")


def describe(photos):
    """Say the same of all photos; not sure of one."""
    for photo in photos:
        if photo.name == "broken.jpg":
            yield {"image": photo.as_posix(), "error": "it is broken."}
        else:
            unsure = photo.name == "unsure.png"
            yield {"caption": SAID, "confidence": 0.75, "unsure": unsure}


def added(site, html, name="index.html", **options):
    """Write a page; give what it is afterwards, and its records."""
    path = site / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(html if isinstance(html, bytes) else html.encode())
    outcome = describe_site(site, describe, write=True, **options)
    return path.read_bytes(), outcome.records


DESCRIBED = [
    '<img src="a.png">',
    "<IMG SRC=a.png>",
    "<img src=a.png/>",
    "<img/src=a.png>",
    "<img\r\n  class='a > b' src='/a.png'\r\n/>",
    '<img src="in/../a.png?v=1&amp;w=2#x">',
    '<img src="b%20c.jpg">',
    '<img src=" b c.jpg ">',
    '<img src="%C3%BC.jpg">',
    '<img src="ü.jpg">',
    '<img src="&uuml;.jpg">',
    r'<img src="in\d.png">',
    '<img src="../../a.png">',  # browsers stop at the top
    '<img srcset="a.png, b.jpg 2x">',
    '<img srcset="a.png 100w,in/d.png 200w">',
    '<img src="data:image/gif;base64,R0lGODlh" data-src="a.png">',
    '<img src="small.png" data-original="a.png" loading="lazy">',
    '<img data-srcset="a.png 1x" src="https://example.com/x.png">',
    '<picture><source srcset="x.webp"><img src="a.png"></picture>',
    '<noscript><img src="a.png"></noscript>',
    '<a href="x"><img src="a.png"></a>',
    '<img src="a.png" data-alt="x" longdesc="alt">',
    '<img src="a.png" width="100%" height="40">',
    '<img src="a.png" width="0x10" role="img" aria-hidden="false" title=" ">',
    '<p title="a < b"><img src="a.png"',
]


@pytest.mark.parametrize("html", DESCRIBED[:-1])
def test_an_image_without_alt_gets_one(site, html):
    found, (record,) = added(site, f"<body>\n{html}\n")
    tag = re.search("<img", html, re.I)
    wanted = html[: tag.end()] + f' alt="{ALT}"' + html[tag.end() :]
    assert found.decode() == f"<body>\n{wanted}\n"
    assert (record["page"], record["line"], record["left"]) == ("index.html", 2, "")
    assert record["linked"] == html.startswith("<a")
    values = []

    class Parser(HTMLParser):
        def handle_startendtag(self, tag, attrs):
            values.append(dict(attrs).get("alt"))

        handle_starttag = handle_startendtag

    Parser().feed(found.decode())
    assert to_alt(SAID) in values


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ('<img src="a.png" alt="">', 'decorative: alt=""'),
        ("<img alt src=a.png>", 'decorative: alt=""'),
        ('<img src="a.png" role="presentation">', "role=presentation"),
        ('<img src="a.png" role=None>', "role=None"),
        ('<img src="a.png" aria-hidden="true">', "aria-hidden"),
        ('<img src="a.png" width="16">', "width 16 px"),
        ('<img src="a.png" height=" 1px">', "height 1 px"),
        ('<img src="small.png">', "16 x 12 px"),
        ('<img src="a.png" title="Rex">', "it has a name: title"),
        ('<img src="a.png" aria-label="Rex">', "it has a name: aria-label"),
        ('<img src="a.png" aria-labelledby="x">', "it has a name: aria-labelledby"),
        ('<img src="{{ url_for(\'x\', f="a.png") }}">', "template"),
        ("<img src=\"<?= $x['y'] ?>\">", "template"),
        ('<img <%= attributes %> src="a.png">', "template"),
        ("<img src={photo} />", "template"),
        ('<img {...props} src="a.png" />', "template"),
        ('<img src="a.png" :alt="text">', "template"),
        ('<img src="a.png" v-bind:alt="text">', "template"),
        ('<img src="a.png" [attr.alt]="text">', "template"),
        ('<img src="a.png" th:alt="#{text}">', "template"),
        ('<img v-for="x in y" :src="x">', "template"),
        ('<img src="a.png" {% if x %}alt="y"{% endif %}>', "template"),
        ('<img src="a.png" <p>text</p>', "template"),
        ('<img src="https://example.com/a.png">', "elsewhere"),
        ('<img src="//example.com/a.png">', "elsewhere"),
        ('<img src="file:///a.png">', "elsewhere"),
        ('<img src="http://[/a.png">', "broken"),
        ('<img src="a%00.png">', "broken"),
        ('<img src="data:image/gif;base64,R0lGODlh">', "embedded"),
        ('<img src="link.png">', "outside the site"),
        ('<img src="linked/outside.png">', "outside the site"),
        ('<img src="gone.png">', "no such file"),
        ('<img src="in">', "no such file"),
        (f'<img src="{"x" * 5000}.png">', "no such file"),
        ('<img src="index.html">', "no photo"),
        ("<img>", "no address"),
        ('<img src="">', "no address"),
        ('<img src="unsure.png">', "not sure"),
        ('<img src="broken.jpg">', "it is broken."),
    ],
)
def test_others_are_left_and_listed(site, html, left):
    (site / "link.png").symlink_to("../outside.png")
    (site / "linked").symlink_to("..")
    found, (record,) = added(site, html)
    assert found.decode() == html
    assert left in record["left"]


@pytest.mark.parametrize(
    "html",
    [
        '<img src="a.png" alt="A cat">',
        '<!-- <img src="a.png"> -->',
        '<script>x = "<img src=a.png>"</script>',
        '<style>/* <img src="a.png"> */</style>',
        '<title><img src="a.png"></title>',
        '<textarea><img src="a.png"></textarea>',
        "<?php echo '<img src=\"a.png\">', '<img src=\"a.png\">' ?>",
        "<?php if (1 > 0) echo '<img src=\"a.png\">';",
        "{{ '<img src=\"a.png\">' }}{# <img src=a.png> #}",
        "<img src=a.png",
        "<div data-x='<img src=a.png>'></div>",
        "<imgs src=a.png>",
        "< img src=a.png>",
    ],
)
def test_what_is_no_image_without_alt_is_not_even_listed(site, html):
    found, records = added(site, html)
    assert found.decode() == html
    assert not records


def test_a_comment_or_template_without_an_end_hides_no_images(site):
    for begin in ("<!-- ", "{{ ", "{% ", "<% ", "<? ", "<!-->", "<!--[if !IE]><!-->"):
        found, _ = added(site, f'{begin}<img src="a.png"> > ')
        assert found.decode() == f'{begin}<img alt="{ALT}" src="a.png"> > '


# In each, in/d.png is in code, and a.png is an image of the page, once.
TEMPLATES = {
    "a.php": r"""<?php
/* don't */ $a = "?><img src='in/d.png'>"; # it's ?>
<html><?php // that's it ?><img class="<?= $a['b'] ? "x" : 'y' ?>" src="in/d.png">
<?php $b = <<<"END"
  it's ?> <img src="in/d.png">
  END; if ($b): ?>
<p title="<?php echo '\\'?>'; ?>"><img src="a.png"></p>
<?php endif; echo `x ?> <img src="in/d.png">`; #[A("?>")]
echo "<img src=\\"in/d.png\\">";""",
    "b.vue": """<template>
  <textarea v-model="x" />
  <img src="a.png" :class="a > b ? 'x' : ''" @click="() => go()">
  <img :src="photo" alt="x"><Img src="in/d.png" /><img v-bind="$attrs" src="in/d.png">
  <img src="in/d.png" :alt="text"><img src="in/d.png" v-bind:[name]="text">
  <img v-bind:src="require('./in/d.png')"><img src="in/d.png" :="more">
  {{ html('<img src="in/d.png">') }}
</template>
<script setup lang="ts">const a = "<img src='in/d.png'>"</script>
<style scoped>.a { content: '<img src="in/d.png">' }</style>""",
    "c.svelte": """<script>let a = "{<img src='in/d.png'>" // don't
</script>
<!-- { --><img src="a.png" class="big">
{#if a > `${b ? `}` : ''}`}<p on:click={() => say({a: "}<img src='in/d.png'>"})}>x</p>
{:else if /* } */ c}{@html "<img src='in/d.png'>"}{/if}
<img {src} {...rest}><img src="in/d.png" alt={text}><Img src="in/d.png" />
<img src="in/d.png" on:load={() => go()}><style>p { color: red }</style>
{unclosed <img src="in/d.png">""",
    "d.twig": """---
title: "<img src='in/d.png'>"
---
{% set x = '<img src="in/d.png">' %}{{ include('<img src="in/d.png">') }}
{%- if a > 1 -%}<img src="/a.png">{% endif %}{# <img src="in/d.png"> #}
<img src="{{ asset('in/d.png') }}"><img src="in/d.png" {{ attributes }}>
{% trans %}See <img src="in/d.png">{% endtrans %}{% trans 'x' %}""",
    "e.liquid": """{% schema %}{"a": "<img src='in/d.png'>"}{% endschema %}
{%- comment -%} <img src="in/d.png"> {%- endcomment -%}
{% raw %}<img src="a.png">{% endraw %}<img src="{{ 'in/d.png' | asset_url }}">
{% liquid
  echo '<img src="in/d.png">' %}{% javascript %}"<img src='in/d.png'>"
{% endjavascript %}{% highlight html %}<img src="in/d.png">{% endhighlight %}""",
    "f.erb": """<%= image_tag "x", data: "<img src='in/d.png'>" %>
<% x.each do |y| %><img src="a.png" /><img src="<%= y %>"><% end -%>""",
    "g.hbs": """{{#if x}}<img src="a.png">{{/if}}{{{raw "<img src='in/d.png'>"}}}
{{!-- <img src="in/d.png"> --}}<img src="in/d.png" {{bind-attr alt=x}}>""",
    "h.html": """{!! "<img src='in/d.png'>" !!}<img src="a.png">""",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_code_in_templates_stays(site, name):
    text = TEMPLATES[name].replace("\\\\", "\\")
    found, records = added(site, text, name)
    at = re.search("<img(?=[^<>]* src=[\"']/?a.png)", text).end()
    assert found.decode() == f'{text[:at]} alt="{ALT}"{text[at:]}'
    left = [record for record in records if record["left"]]
    assert len(left) == len(records) - 1
    assert all("a template makes it" in record["left"] for record in left)
    assert len(left) == {"a.php": 1, "b.vue": 6, "c.svelte": 3}.get(name, len(left))


def test_templates_whose_code_has_no_ends_are_no_pages(site):
    text = """@lang("<img src='a.png'>") <img src="a.png">"""
    (site / "a.html").touch()
    assert added(site, text, "a.blade.php") == (text.encode(), [])


MARKDOWN_ALT = (
    r"A dog's "
    r'"ball" \& \<hat\> {x} on a table'
)


@pytest.mark.parametrize(
    "text",
    [
        "![](a.png)",
        '# A ![](</b c.jpg> "")',
        "* ![  ](in/d.png)\n",
        "> [![](a.png)](https://example.com)",
        "| a | b |\n|---|---|\n| ![](a.png) | x |\n",
        "`x` ![](b%20c.jpg) `` ` ``",
        "\ufeff---\nx: '![](a.png)'\n---\r\n\r\n![](a.png)",
        "```\n![](a.png)\n```\r\ntext ![](a.png)",
        "\\\\![](a.png)",
    ],
)
def test_markdown_gets_the_text_between_the_brackets(site, text):
    found, records = added(site, text, "a.md")
    at = text.rindex("![") + 2
    assert found.decode() == text[:at] + MARKDOWN_ALT + text[at:]
    assert records[0]["linked"] == ("[![" in text)
    assert records[0]["line"] == text.count("\n", 0, at) + 1


@pytest.mark.parametrize(
    "text",
    [
        "`![](a.png)`",
        "``` ![](a.png) ```",
        "    ![](a.png)\n",
        "```\n![](a.png) <img src=a.png>\n```\n",
        "~~~html\n<img src=a.png>\n",
        "![][ref]\n\n[ref]: a.png",
        "![]",
        "\\![](a.png)",
        "![A cat](a.png)",
        "![](a.png 'Rex')",
        "![](https://example.com/a.png)",
        "![]({{ page.image }})",
        "![]()",
        "---\nimage: ![](a.png)\n---\n",
        "`<img src=a.png>`",
        '<div title="\n![](a.png)">\n</div>',
    ],
)
def test_other_markdown_stays(site, text):
    assert added(site, text, "a.markdown")[0].decode() == text


def test_html_in_markdown_is_html(site):
    found, _ = added(
        site, 'a <b>c</b> <img src="a.png">\n\n<p>\n<img src=a.png>', "a.md"
    )
    tag = f'<img alt="{ALT}" '
    assert found.decode() == f'a <b>c</b> {tag}src="a.png">\n\n<p>\n{tag}src=a.png>'


def test_a_page_may_say_where_addresses_start(site):
    base = '<base href="/in/"><img src="d.png">'
    assert ALT.encode() in added(site, base, "in/x/y.html")[0]
    (record,) = added(site, '<base href="https://example.com/"><img src=a.png>')[1][:1]
    assert "elsewhere" in record["left"] or record["page"] != "index.html"


def test_lang_is_said_where_the_page_is_not_english(site):
    html = '<img src="a.png"><img lang=en src="a.png"><img lang=de src="a.png">'
    found, _ = added(site, f"<html lang=de>{html}", lang=True)
    marked = f'<img alt="{ALT}" lang="en" src="a.png">'
    assert found.decode() == (
        f'<html lang=de>{marked}<img alt="{ALT}" lang=en src="a.png">'
        f'<img alt="{ALT}" lang=de src="a.png">'
    )
    found, _ = added(site, f"<html lang=en-GB>{html}", lang=True)
    assert found.count(b"lang=") == 3


def test_a_second_run_changes_nothing_and_asks_nobody(site):
    added(site, '<img src="a.png">')
    before = (site / "index.html").stat().st_mtime_ns
    outcome = describe_site(site, None, write=True)
    assert (outcome.records, outcome.described) == ([], 1)
    assert (site / "index.html").stat().st_mtime_ns == before


def test_a_page_keeps_its_permissions_and_its_link(site, tmp_path):
    (site / "real.html").write_text("<img src=a.png>")
    (site / "real.html").chmod(0o640)
    (site / "link.html").symlink_to("real.html")
    outcome = describe_site(site, describe, write=True)
    assert outcome.pages == 1
    assert (site / "link.html").is_symlink()
    assert stat.S_IMODE((site / "real.html").stat().st_mode) == 0o640
    assert b"alt=" in (site / "real.html").read_bytes()


def test_pages_that_cannot_be_changed_are_told_and_the_others_go_on(site, monkeypatch):
    monkeypatch.setattr(pages_module, "LARGEST", 1000)
    html = "<img src=a.png>"
    names = ["a.html", "large.html", "odd.html", "read-only.html", "z.html"]
    for name in names:
        (site / name).write_text(html)
    (site / "large.html").write_text(html + " " * 1000)
    (site / "odd.html").write_bytes(b"\xff\xfe<\0i\0\0\xd8")
    (site / "read-only.html").chmod(0o444)
    before = {name: (site / name).read_bytes() for name in names}
    outcome = describe_site(site, describe, write=True)
    changed = [name for name in names if (site / name).read_bytes() != before[name]]
    assert changed == ["a.html", "z.html"]
    errors = {r["page"]: r["error"] for r in outcome.records if "error" in r}
    assert "read-only" in errors["read-only.html"]
    assert "too many for a page" in errors["large.html"]
    assert outcome.errors == len(errors)


def test_rubbish_takes_no_time(site):
    units = ("<a ", '<img a="', "<!--", "</", "{{", "<?", "![](", "[", "{% trans %}")
    for unit in (
        *units,
        "<?php ",
        "<?php '",
        "<?php /*",
        "<?= <<<A\n",
        "{`",
        "<script ",
    ):
        (site / "rubbish.html").write_text(unit * 20_000)
        (site / "rubbish.svelte").write_text(unit * 20_000)
        assert describe_site(site, describe, write=True).errors == 0


def test_a_page_with_half_a_character_stays(site):
    html = "<img src=a.png>".encode("utf-16") + b"\x9c"
    found, (record,) = added(site, html)
    assert found == html
    assert "cannot be changed safely" in record["error"]


def test_pages_elsewhere_hidden_or_of_packages_are_not_touched(site, tmp_path):
    others = ["../out/x.html", "node_modules/p/x.html", ".git/x.html", ".x.html"]
    for name in others:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("<img src=/a.png>")
    (site / "out").symlink_to("../out")
    (site / "out.html").symlink_to("../out/x.html")
    added(site, "<img src=a.png>")
    assert all((site / name).read_text() == "<img src=/a.png>" for name in others)


@pytest.mark.parametrize(
    ("caption", "alt"),
    [
        ("A dog.", "A dog"),
        ("A black and white photo of two dogs.", "Two dogs"),
        ("An image of a close up of a cat.", "A close up of a cat"),
        ("A close-up picture of a cat.", "A cat"),
        ("There is a cat on a bed.", "A cat on a bed"),
        ("This is a cat.", "A cat"),
        ("A man is taking a photo of a dog.", "A man is taking a photo of a dog"),
        ("A picture of", "A picture of"),
        ("Perhaps a  cat .", "Perhaps a cat"),
        ("", ""),
        ("x" * 300, "X" + "x" * 124),
        ("A man, " + "a big dog " * 20, "A man, " + "a big dog " * 11 + "a big"),
        ("The " * 31 + "dog of the park", "The " * 31 + "d"),
    ],
)
def test_captions_become_short_texts(caption, alt):
    if alt.endswith(" d"):
        alt = "The"  # nothing before it can be the last word
    assert to_alt(caption) == alt
    assert len(to_alt(caption)) <= LONGEST


BROKEN = [
    *(
        "<img src=a.png",
        "<img",
        "<",
        "<!--",
        "-->",
        "<![CDATA[ x ]]>",
        "<![foo[",
        "]]>",
    ),
    *("<%", "{{", "<?php echo 1", "<script>", "<textarea>", "</", "<a href='x", "```"),
    '<a href="x><img src="a.png"></a>',
    "<img src='a.png\" class='x'>",
]
SNIPPETS = [
    *DESCRIBED[:-1],
    *("{% for x in y %}", "{% endfor %}", "{{ x|safe }}", "<?php echo 1 > 0; ?>"),
    '<?xml version="1.0"?>',
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">',
    '<Image src="/a.png" /><img src={require("./a.png")} className={`a ${b}`} />',
    '<img v-for="x in y" :src="x.url" @click="go"><img ng-src="{{x}}" src="a.png">',
    '{{#each photos}}<img src="{{url}}" class="x">{{/each}}{{> footer}}',
    "<script>if (a<b) { document.write('<img src=\"a.png\">') }</script>",
    '<svg><image href="a.png"/><title>x</title></svg>',
    '<td background=a.png><table><tr><img src="a.png" <td>x</table></b></i>',
    '<img src="a.png" alt="&lt;b&gt; &amp;&nbsp;&#8217;"> &copy;&bogus; & &#0; ü é',
    '<img class="lazy" data-src="a.png" src="data:image/svg+xml,<svg></svg>">',
    '<img srcset="a.png 1x, data:image/png;base64,AAAA 2x" sizes="(width: 1px) 1px">',
    "![](a.png) <b>![](in/d.png)</b> `![](a.png)`\n",
    "<body onload=\"x='<img src=a.png>'\">" + "text " * 50,
    "<p>\t \x0c\x0b\x85 \u2028</p>",
    "\n",
    "    \n",
]
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "latin-1",
    "cp1252",
    "utf-16",
    "shift_jis",
    "gb18030",
)


def page_of_the_wild(seed):
    """Draw a page: pieces in any order, some of its bytes damaged, in any encoding."""
    draws = random.Random(seed)
    pieces = draws.choices(SNIPPETS, k=draws.randint(1, 12))
    if draws.random() < 0.4:
        pieces.insert(draws.randrange(len(pieces) + 1), draws.choice(BROKEN))
    text = "".join(pieces)
    encoding = draws.choice(ENCODINGS)
    if draws.random() < 0.7 and encoding not in ("utf-8-sig", "utf-16"):
        text = f'<html><meta charset="{encoding}">{text}'
    text = text.replace("\n", draws.choice(["\n", "\r\n", "\r"]))
    data = text.encode(encoding, "replace")
    kind = seed % 10
    if kind == 8:  # damaged
        data = bytearray(data)
        for _ in range(10):
            place = draws.randrange(len(data))
            data[place : place + draws.randint(0, 2)] = draws.randbytes(
                draws.randint(0, 2)
            )
        data = bytes(data)
    if kind == 9:  # rubbish
        data = draws.randbytes(500) + draws.choice([b"", b"<img src=a.png>"])
    return data


def without_insertions(new, old):
    """Take out of a page what was inserted; give what is left, and how often."""
    wide = 2 if old.startswith((b"\xff\xfe", b"\xfe\xff")) else 1
    codec = "utf-16-le" if old.startswith(b"\xff\xfe") else "utf-16-be"
    tag = f' alt="{ALT}"'.encode("ascii" if wide == 1 else codec)
    brackets = MARKDOWN_ALT.encode("ascii" if wide == 1 else codec)
    count = new.count(tag) + new.count(brackets)
    return new.replace(tag, b"").replace(brackets, b""), count


class Events(HTMLParser):
    """All that is in a page but the alt attributes."""

    def __init__(self, data):
        super().__init__(convert_charrefs=False)
        self.seen = []
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if wide else "latin-1")
        self.feed(text.replace("<![", "<! ["))  # which the parser may not survive
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            attrs = [pair for pair in attrs if pair[0] != "alt"]
        self.seen.append((tag, attrs))

    def handle_endtag(self, tag):
        self.seen.append(("/", tag))

    def handle_data(self, data):
        self.seen.append(("text", data.replace(f' alt="{ALT}"', "")))

    handle_comment = handle_pi = handle_decl = handle_entityref = handle_data
    handle_charref = unknown_decl = handle_data


def test_in_600_pages_of_the_wild_only_alt_differs(site):
    ends = (".html", ".htm", ".md", ".xhtml")
    names = [f"{i}{end}" for i in range(150) for end in ends]
    before = {name: page_of_the_wild(seed) for seed, name in enumerate(names)}
    before["huge.html"] = b"<p>text <img src=a.png> " * 1_000 + b"text " * 400_000
    for name, data in before.items():
        (site / name).write_bytes(data)
    outcome = describe_site(site, describe, write=True)
    assert outcome.pages == len(before) == 601
    changed = 0
    for name, old in before.items():
        new = (site / name).read_bytes()
        left, count = without_insertions(new, old)
        assert left == old, name
        changed += bool(count)
        if count and not name.endswith(".md"):
            assert Events(new).seen == Events(old).seen, name
    assert changed > 300
    failed = [record for record in outcome.records if "error" in record]
    assert len(failed) < 30  # damaged UTF-16


class Fake:
    """Stands in for `captioner.jobs.caption.Captioning`."""

    def __init__(self, *_):
        pass

    def settings(self):
        return {}

    def load(self):
        def do(items, todo, note):
            yield [(i, record) for i, record in enumerate(describe(items))]

        return do


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command; gives its status, and lines printed and said."""
    module = types.ModuleType("captioner.jobs.caption")
    module.Captioning = Fake
    monkeypatch.setitem(sys.modules, "captioner.jobs.caption", module)

    def run(*words):
        status = main(["alt", *words])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


def test_the_command_reports_and_changes_nothing_unless_told(site, command):
    html = '<img src="a.png">\n<img src="unsure.png"><img src=gone.png><img alt=x>'
    (site / "index.html").write_text(html)
    status, out, err = command("site")
    assert (status, (site / "index.html").read_text()) == (0, html)
    text = to_alt(SAID)
    assert out == [
        f"index.html:1\ta.png\t{text}\t",
        f"index.html:2\tunsure.png\t{text}\tnot sure",
        "index.html:2\tgone.png\t\tthere is no such file",
    ]
    assert err == [
        "1 page, 4 images: 1 with an alternative text, 1 would get one with --write, "
        "1 not sure, 1 left for other reasons; 0 errors"
    ]
    status, _, err = command("site", "--write")
    assert "1 got one" in err[0]
    assert (site / "index.html").read_text().count(ALT) == 1


def test_reports_are_written_as_tables(site, command):
    html = '<img src="a.png"><a href=x><img src="a.png"></a><img src="unsure.png">'
    (site / "index.html").write_text(f'{html}<img src="<b>.png"><img src=broken.jpg>')
    (site / "odd.html").write_bytes(b"\xff\xfe<\0i\0\0\xd8")
    for name in ("r.csv", "r.jsonl", "r.html"):
        status, out, _ = command("site", "-o", name)
        assert (status, out) == (1, [])
    records = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    with Path("r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["alt"] for row in rows] == [r.get("alt", "") for r in records]
    assert list(records[0]) == [
        *("page", "line", "image", "photo", "alt"),
        *("confidence", "linked", "left"),
    ]
    assert records[1]["linked"] and records[0]["confidence"] == 0.75
    page = Path("r.html").read_text()
    assert page.count("data:image/jpeg") == 2  # a photo is shown once
    for text in ("Described (2)", "Not sure, left out (1)", "Left as they are (2)"):
        assert text in page
    assert "in a link" in page and "<b>.png" not in page and "&lt;b&gt;.png" in page
    assert "utf-16" in page
    assert command("site", "-o", "r.csv")[2][-1].startswith("error: r.csv exists")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere is no folder. Give the folder of a site."),
        (["outside.png"], "outside.png is no folder"),
        (["site"], "site holds no pages (.html, .htm, .xhtml, .php, "),
        (["site", "-o", "x.txt"], "no output format goes by '.txt'"),
    ],
)
def test_what_is_no_site_is_refused(site, command, words, message):
    status, out, err = command(*words)
    assert (status, out) == (1, [])
    assert message in err[0]
