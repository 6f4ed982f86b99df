"""What holds at each character and word, drawn below the text."""

import io
import tokenize
from pathlib import Path

import numpy as np
import pytest

from rnn.cells.probes import LEAST, OF_CHARACTERS, ask
from rnn.cells.syntax import Writing, guess_language
from rnn.cells.word_probes import OF_CAPTIONS, OF_QUESTIONS, Sentences

IF = "in the condition of an `if`"
# Below each text, "x" marks where the probe holds; a digit is the number there.
DRAWN = [
    ("prose", "inside quotes", 'He "said (so)" to us.', "   xxxxxxxxxx        "),
    ("prose", "inside quotes", "“Yes” «no» 'so'", "xxxx  xxx      "),
    ("prose", "inside quotes", 'a "b\nc\n\nd "e"', "  xxxx    xx "),
    ("python", "inside quotes", "x = 'a\"\\'b' + \"c\"", "    xxxxxx    xx "),
    ("python", "inside quotes", 'x("""a"\n"b""")', "  xxxxxxxxxx  "),
    ("python", "inside quotes", "x = '' + ''''a'''", "    x    xxxxxxx "),
    ("python", "inside quotes", "x = 'a\ny = 1", "    xx      "),
    ("python", "inside a comment", "x = '#' # a 'b\nc", "        xxxxxx  "),
    ("c", "inside a comment", "a; // b /*\nc /* d\n*/ e", "   xxxxxxx   xxxxxx   "),
    ("c", "inside a comment", "a /*/ b */ c /* d", "  xxxxxxx    xxxx"),
    ("c", "inside quotes", '\'"\' + "/*" // "a"', "xx    xxx        "),
    ("c", "inside a comment or a string", 'a "b" //c', "  xx  xxx"),
    ("prose", "inside round brackets", "a) (b (c) d) e", "   xxxxxxxx   "),
    ("prose", "how deep in brackets", "a (b [c]) d\n\n(e", "001112210000011"),
    ("prose", "how deep in brackets", "a (b\n\nc) (d", "00111100011"),
    ("python", "how deep in brackets", "f(')', [{}]) # (", "0111111232100000"),
    ("c", "inside braces", "f() { a; } }; {", "    xxxxx     x"),
    ("python", "inside square brackets", "a[b]", " xx "),
    ("prose", "position in the line", "ab\n\nabc", "1200123"),
    ("prose", "a line starts", "ab\n\nabc", "  xx   "),
    ("python", "in the indentation", "a\n  b c\n\td", "  xx    x "),
    ("python", "width of the indentation", "a\n  b c\n\td", "0012222011"),
    ("python", IF, "if a[1:]: b", " xxxxxxx   "),
    (
        "python",
        IF,
        "elif 'if:' == (\n a):",
        "   xxxxxxxxxxxxxxxx ",
    ),
    ("python", IF, "[a for a in b\n if a]:\n", " " * 22),
    ("python", IF, "'''\nif a:'''\n#\nif", " " * 17),
    ("c", IF, "if (a(b) && c) d();", " xxxxxxxxxxxx      "),
    ("prose", IF, "if so: no", "         "),
    (
        "prose",
        "inside a URL",
        "to http://a.b or www.d.e.",
        "      xxxxxxx    xxxxxxxx",
    ),
    ("prose", "position in the word", "ab_1, été", "123400123"),
    ("prose", "the word ends here", "ab_1, été", "   x    x"),
    ("prose", "the sentence ends here", 'So. "Ah?!" 1.2 a', " x    x         "),
    ("prose", "a capital letter", "Été ÀB1", "x   xx "),
    ("prose", "a digit", "a1٣", " xx"),
    ("prose", "a space", "a b\n", " x  "),
]


@pytest.mark.parametrize(("language", "name", "text", "drawn"), DRAWN)
def test_probes_hold_where_they_are_drawn(language, name, text, drawn):
    assert len(text) == len(drawn)
    found = OF_CHARACTERS[name](Writing(text, language))
    if found.dtype == bool:
        assert "".join(" x"[int(flag)] for flag in found) == drawn
    else:
        assert "".join(map(str, found)) == drawn


def test_all_probes_are_drawn_and_take_an_empty_text():
    assert {name for _, name, *_ in DRAWN} == set(OF_CHARACTERS)
    for probe in OF_CHARACTERS.values():
        assert probe(Writing("", "c")).shape == (0,)


def test_strings_and_comments_of_python_are_those_of_its_tokenizer():
    text = Path(tokenize.__file__).read_text("utf-8")
    starts = np.cumsum([0, *map(len, text.splitlines(keepends=True))])
    strings, comments = np.zeros((2, len(text)), bool)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        start, end = (starts[line - 1] + at for line, at in (token.start, token.end))
        if token.type == tokenize.STRING:
            prefix = len(token.string) - len(token.string.lstrip("rRbBfFuU"))
            strings[start + prefix : end - 1] = True
        elif token.type == tokenize.COMMENT:
            comments[start:end] = True
    writing = Writing(text, "python")
    np.testing.assert_array_equal(writing.strings, strings)
    np.testing.assert_array_equal(writing.comments, comments)


def test_unclosed_marks_take_no_time():
    text = "/*\"'(" * 100_000 + "\"\"\"'''\n" * 50_000
    for language in ("prose", "python", "c"):
        Writing(text, language)  # minutes, if each were searched to the end


def test_the_kind_of_text_is_guessed():
    assert guess_language("def f(x):\n    return x\n") == "python"
    assert guess_language("#include <a.h>\nint x = 0;\n/* b */\n") == "c"
    assert guess_language('"Well," he said;\n' + "she did not.\n" * 8) == "prose"
    assert guess_language("", ".py") == "python"
    assert guess_language("") == "prose"


def test_probes_that_say_nothing_are_left_out_with_a_reason():
    flags = np.arange(100) % 5 == 0
    rare = np.arange(100) < LEAST - 1
    marks = ask(
        {
            "often": lambda text: flags,
            "never": lambda text: flags & False,
            "rare": lambda text: rare,
            "always": lambda text: ~rare,
            "first half": lambda text: np.arange(100) < 50,
            "place": lambda text: np.arange(100),
            "same": lambda text: np.arange(100) // 50,
        },
        None,
    )
    assert list(marks.flags) == ["often"]
    assert list(marks.numbers) == ["place"] and marks.numbers["place"].dtype == "f4"
    assert marks.missing["never"] == "never occurs"
    assert set(marks.missing) == {"never", "rare", "always", "first half", "same"}
    assert "fewer than 10" in marks.missing["rare"]
    assert not ask(OF_CHARACTERS, Writing("", "prose")).flags


WORDS = Sentences(
    [
        ["", "a", "brown", "dog", "runs", "in", "the", "grass"],
        ["", "two", "men", "riding", "a", "red", "fire", "truck"],
    ]
)
CAPTIONS = {
    "position in the caption": "01234567" * 2,
    "about to stop": "       x" * 2,
    "an article was just written": " x    x " + "    x   ",
    "the noun is still to come": " xx   x " + " x  xxx ",
    "a preposition was just written": "     x  " + " " * 8,
    "a word in -ing was just written": " " * 8 + "   x    ",
    "a color was just written": "  x     " + "     x  ",
    "a person was named": " " * 8 + "  xxxxxx",
}


@pytest.mark.parametrize("name", OF_CAPTIONS)
def test_probes_of_captions_hold_where_they_are_drawn(name):
    found = OF_CAPTIONS[name](WORDS)
    if found.dtype == bool:
        assert "".join(" x"[int(flag)] for flag in found) == CAPTIONS[name]
    else:
        assert "".join(map(str, found)) == CAPTIONS[name]


def test_probes_of_questions():
    asked = Sentences(
        [["how", "many", "men"], ["is", "it"], ["what", "color"], ["how", "is", "it"]]
    )

    def where(name):
        return "".join(" x"[int(flag)] for flag in OF_QUESTIONS[name](asked))

    assert where("asks how many") == " xx       "[:10]
    assert where("asks for yes or no") == "   xx     "
    assert where("asks for a color") == "      x   "
    assert where("the question ends here") == "  x x x  x"
    assert where("a person was named") == "  x       "
    assert not Sentences([]).words
