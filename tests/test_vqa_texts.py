"""Files of captions as questions."""

from vqa.questions.making import ask_texts
from vqa.training.texts import read_text_sources


def test_each_caption_keeps_its_questions(tmp_path, monkeypatch):
    monkeypatch.setattr("vqa.training.texts.AT_ONCE", 4)
    captions = ["a cat on a bed", "two zebras eat grass", "quite so", "a red bus"] * 3
    for name in ("first.txt", "second.tsv"):
        (tmp_path / name).write_text("".join(f"{one}\n" for one in captions))
    paths = [str(tmp_path / "first.txt"), str(tmp_path / "second.tsv")]
    first, second = read_text_sources(paths, 3, ask_texts)
    assert first.captions == second.captions == captions
    assert first.asked[:4] == ask_texts(captions[:4], seed=3)
    assert first.asked != second.asked  # other wordings
    assert all(first.asked)
