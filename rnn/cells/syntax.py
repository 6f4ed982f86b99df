"""Where quotations, comments, brackets and conditions of a text begin and end."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

LanguageName = Literal["prose", "python", "c"]


class Language(NamedTuple):
    """How a kind of text marks what it quotes, comments and makes depend on something.

    Attributes:
        tokens: pattern with the groups "string" and "comment". What is never closed
            goes on to the end of its line, paragraph or text.
        condition: pattern of where a condition begins; None has no such mark.
        condition_ends: the character that ends it.
    """

    tokens: re.Pattern[str]
    condition: re.Pattern[str] | None = None
    condition_ends: str = ""


def _tokens(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.DOTALL)


def _quoted(mark: str) -> str:
    """Match from a mark to the next on its line; after a backslash it is none."""
    return rf"{mark}(?:[^{mark}\\\n]|\\.)*+{mark}?"


def _long(mark: str) -> str:
    """Match a string of Python that may have several lines."""
    return rf"{mark * 3}(?:[^{mark}\\]|\\.|{mark}(?!{mark * 2}))*+(?:{mark * 3}|\Z)"


def _quotation(first: str, last: str) -> str:
    """Match a quotation, within its paragraph."""
    return rf"{first}(?:[^{last}\n]|\n(?![ \t]*\n))*+{last}?"


# All patterns take characters for good ("*+"), so that none is read twice.
_STRINGS, _LONG = ("|".join(map(form, "\"'")) for form in (_quoted, _long))
_QUOTATIONS = "|".join(_quotation(*marks) for marks in ('""', "“”", "«»"))
_BLOCK = r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)"
LANGUAGES: dict[LanguageName, Language] = {
    "prose": Language(_tokens(rf"(?P<string>{_QUOTATIONS})", r"(?P<comment>(?!))")),
    "python": Language(
        _tokens(
            r"(?P<comment>#[^\n]*)",
            rf"(?P<string>{_LONG}|{_STRINGS})",
        ),
        re.compile(r"^[ \t]*(?:el)?if\b", re.MULTILINE),
        ":",
    ),
    "c": Language(
        _tokens(rf"(?P<comment>//[^\n]*|{_BLOCK})", rf"(?P<string>{_STRINGS})"),
        re.compile(r"\bif\b(?=[ \t]*\()"),
        ")",
    ),
}
SUFFIXES: dict[str, LanguageName] = {
    ".py": "python",
    **dict.fromkeys((".c", ".h", ".cc", ".cpp", ".hpp", ".java", ".js", ".rs"), "c"),
}
FURTHEST = 100  # colons or brackets in a condition
_C_LINE = re.compile(r"#(?:include|define)\b")
_PYTHON_LINE = re.compile(
    r"(?:def|class) .*[:(]|from \S+ import |import \w|(?:if|for|while|else|try)\b.*:$"
)


def guess_language(text: str, suffix: str = "") -> LanguageName:
    """Tell Python, C and what looks like it, and everything else apart.

    Args:
        text: some thousand characters are enough.
        suffix: of the file's name, which is believed if it is a known one.
    """
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    python = sum(bool(_PYTHON_LINE.match(line)) for line in lines)
    c = sum(line[-1] in ";{}" or bool(_C_LINE.match(line)) for line in lines)
    if 8 * max(python, c) < len(lines) or not lines:
        return "prose"
    return "python" if python > c else "c"


class Writing:
    """A text, and what its probes have in common.

    Attributes:
        text: the characters.
        language: what kind of text it is.
        codes: int32 (N,), their code points.
        strings, comments: bool (N,), whether a quotation or comment goes on after a
            character: at its first mark, but not at its last.
        plain: int32 (N,), the codes, 0 in quotations and comments of code.
    """

    def __init__(self, text: str, language: LanguageName):
        self.text, self.language = text, language
        self.codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.int32)
        self.strings = np.zeros(len(text), bool)
        self.comments = np.zeros(len(text), bool)
        self.plain = self.codes.copy()
        for token in LANGUAGES[language].tokens.finditer(text):
            start, end = token.span()
            if token.lastgroup == "comment":
                # A block ends with its mark, others with the line.
                over = token[0].endswith("*/") and token[0] != "/*/"
                self.comments[start : end - over] = True
            else:
                self.strings[start : end - _is_closed(token[0])] = True
            if language != "prose":  # where brackets count in quotations
                self.plain[start:end] = 0

    def each(self, test: Callable[[str], bool]) -> np.ndarray:
        """Ask a question about each character: bool (N,)."""
        kinds = np.unique(self.codes)
        return np.isin(self.codes, [code for code in kinds if test(chr(code))])

    def find(self, pattern: re.Pattern[str]) -> np.ndarray:
        """Whether each character is part of a match: bool (N,)."""
        return self.spans(match.span() for match in pattern.finditer(self.text))

    def depth(self, opening: str, closing: str) -> np.ndarray:
        """Count the brackets that are open after each character: int32 (N,).

        One that closes nothing is left out, and in prose a paragraph ends them all.
        """
        steps = (self.plain == ord(opening)).astype(np.int32)
        steps -= self.plain == ord(closing)
        found = np.zeros_like(steps)
        for start, end in self._scopes:
            sums = np.cumsum(steps[start:end])
            found[start:end] = sums - np.minimum.accumulate(np.minimum(sums, 0))
        return found

    @cached_property
    def _scopes(self) -> list[tuple[int, int]]:
        ends = []
        if self.language == "prose":
            ends = [match.end() for match in re.finditer(r"\n[ \t]*\n", self.text)]
        borders = sorted({0, *ends, len(self.text)})
        return list(pairwise(borders))

    @cached_property
    def brackets(self) -> dict[str, np.ndarray]:
        """Depth int32 (N,) in each kind of brackets, by its two characters."""
        return {pair: self.depth(*pair) for pair in ("()", "[]", "{}")}

    @cached_property
    def line_starts(self) -> np.ndarray:
        """Where the line of each character begins: int64 (N,)."""
        return self.since(self.codes == ord("\n"))

    def since(self, ended: np.ndarray) -> np.ndarray:
        """Give the first place after the last end before each character: int64 (N,).

        Args:
            ended: bool (N,), whether something ends with a character.
        """
        starts = np.where(np.roll(ended, 1), np.arange(len(ended)), 0)
        starts[:1] = 0
        return np.maximum.accumulate(starts)

    def spans(self, found: Iterable[tuple[int, int]]) -> np.ndarray:
        """Give bool (N,), True from each start until before its end."""
        inside = np.zeros(len(self.text), bool)
        for start, end in found:
            inside[start:end] = True
        return inside

    def conditions(self) -> np.ndarray:
        """Whether the condition of an `if` goes on after each character: bool (N,)."""
        language = LANGUAGES[self.language]
        if not language.condition:
            return np.zeros(len(self.text), bool)
        depth = np.sum(list(self.brackets.values()), axis=0)
        ends = np.flatnonzero(self.plain == ord(language.condition_ends))
        spans = []
        for match in language.condition.finditer(self.text):
            start = match.end() - 1
            if not self.plain[start]:  # in a string or comment
                continue
            later = ends[np.searchsorted(ends, start) :][:FURTHEST]
            closing = later[depth[later] == depth[start]][:1]
            # The `if` of a list has no end of its own.
            if closing.size and depth[start : closing[0]].min() == depth[start]:
                spans.append((start, int(closing[0])))
        return self.spans(spans)


def _is_closed(token: str) -> bool:
    """Whether a quotation ends with its mark."""
    mark = token[:3] if token[:3] in ('"""', "'''") else token[0]
    closing = {"“": "”", "«": "»"}.get(mark, mark)
    return len(token) >= 2 * len(mark) and token.endswith(closing)
