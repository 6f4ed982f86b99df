import pytest

from shared.console.progress import counted, plain, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("two\nlines\r\tand a tab", r"two\nlines\r\tand a tab"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("one\u2028two", r"one\u2028two"),
        ("cat\u202egpj.exe", r"cat\u202egpj.exe"),  # would be read as cat exe.jpg
        ("half \ud83d", r"half \ud83d"),
        ("caf\udce9.jpg", "caf\udce9.jpg"),  # a byte of a name, printed as it is
        ("Café 猫 👩‍👩‍👧", "Café 猫 👩‍👩‍👧"),
    ],
)
def test_no_text_is_a_command_to_the_terminal(text, shown):
    assert plain(text) == shown


def test_what_is_said_is_cleaned_line_by_line(capsys):
    say("error: \x1b]0;title\x07.jpg\nnext line")
    assert capsys.readouterr().err == "error: \\x1b]0;title\\x07.jpg\nnext line\n"


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 photos are"), (1, "1 photo is"), (12, "12 photos are")]
)
def test_one_is_no_plural(number, said):
    assert counted(number, "photo is", "photos are") == said
    assert counted(number, "photo") == said.rsplit(" ", 1)[0]
