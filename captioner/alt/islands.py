"""Islands in a page that are no markup: code of templates, comments, front matter."""

import re

BLANK = "\ufdd0"  # stands for a character of an island; it is in no text

# How Jinja, Liquid, Handlebars, Blade, ERB, ASP and PHP begin and end. Comments and
# declarations of HTML as well: what is in them is not shown.
_ENDS = {
    **{"{{": "}}", "{!!": "!!}", "{%": "%}", "{#": "#}", "<%": "%>", "<?": "?>"},
    **{"<!--": "-->", "<!": ">"},
}
_PHP_BEGIN = re.compile(r"<\?(?:php\b|=)", re.I)
_BEGINS = re.compile("|".join(map(re.escape, _ENDS)))
# Blocks whose content is code, shown as it stands, or known to a translation.
_BLOCK = re.compile(
    r"\{%[-~]?\s*(comment|schema|javascript|stylesheet|style|highlight|trans|"
    r"blocktrans|blocktranslate)\b"
)
# What hides the end of code: strings, comments, and PHP's texts of several lines.
_PHP = re.compile(
    r"""'(?:\\.|[^'\\])*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\Z)|`(?:\\.|[^`\\])*(?:`|\Z)
    |/\*.*?(?:\*/|\Z)|(?://|\#(?!\[))(?:(?!\?>)[^\r\n])*
    |<<<[ \t]*(["']?)([a-z_]\w*)\1\r?\n.*?(?:^[ \t]*\2\b|\Z)|\?>""",
    re.S | re.M | re.X | re.I,
)
_JAVASCRIPT = re.compile(
    r"""'(?:\\.|[^'\\\r\n])*'|"(?:\\.|[^"\\\r\n])*"|`(?:\\.|[^`\\])*(?:`|\Z)
    |/\*.*?(?:\*/|\Z)|[{}]""",
    re.S | re.X,
)
_BRACES = re.compile(r"<!--|<(script|style)(?=[\s/>])|\{", re.I)
_FRONT = re.compile(r"\ufeff?(---|\+\+\+)[ \t]*\r?\n.*?^\1[ \t]*\r?$", re.S | re.M)


def without_islands(text: str) -> str:
    """Blank templates and comments, so that nothing in them is taken for markup.

    Returns:
        a text of the same length. Of what begins and does not end, only the beginning
        is blanked, but that of PHP goes on to the end of the file.
    """
    parts, place, endless = [], 0, set[str]()
    while begin := _BEGINS.search(text, place):
        start, opening = begin.start(), begin[0]
        end = _end_of_block(text, start, endless) if opening == "{%" else -1
        if _PHP_BEGIN.match(text, start):
            end = _end_of_php(text, start)
        elif end < 0 and opening not in endless:
            end = text.find(_ENDS[opening], start + 2)  # `<!-->` is a whole comment
            end += len(_ENDS[opening]) if end >= 0 else 0
        if end < 0:
            endless.add(opening)
            end = begin.end()
        parts += [text[place:start], BLANK * (end - start)]
        place = end
    return "".join([*parts, text[place:]])


def without_braces(text: str) -> str:
    """Blank what Svelte computes, its scripts, styles and comments.

    Returns:
        a text of the same length. What begins and does not end goes on to the end.
    """
    parts, place = [], 0
    while begin := _BRACES.search(text, place):
        start = begin.start()
        if begin[0] == "{":
            end = _end_of_braces(text, start)
        else:
            closing = rf"</{begin[1]}\s*>" if begin[1] else "-->"
            found = re.compile(closing, re.I).search(text, start)
            end = found.end() if found else len(text)
        parts += [text[place:start], BLANK * (end - start)]
        place = end
    return "".join([*parts, text[place:]])


def without_front(text: str) -> str:
    """Blank the settings with which pages of site generators begin."""
    front = _FRONT.match(text)
    return blank(front) + text[front.end() :] if front else text


def blank(match: re.Match[str]) -> str:
    """Give spaces in place of a match; its lines stay."""
    return re.sub(r"[^\r\n]", " ", match[0])


def _end_of_block(text: str, start: int, endless: set[str]) -> int:
    """Give where a block ends that begins here; -1 if none does, or it has no end."""
    begin = _BLOCK.match(text, start)
    if not begin or begin[1] in endless:
        return -1
    end = re.compile(rf"\{{%[-~]?\s*end{begin[1]}\b.*?%\}}").search(text, start)
    if not end:
        endless.add(begin[1])
        return -1
    return end.end()


def _end_of_php(text: str, start: int) -> int:
    tokens = _PHP.finditer(text, start + 2)
    return next((one.end() for one in tokens if one[0] == "?>"), len(text))


def _end_of_braces(text: str, start: int) -> int:
    depth = 0
    for one in _JAVASCRIPT.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(one[0], 0)
        if not depth:
            return one.end()
    return len(text)
