"""Kinds of questions, a file each: which there are, and how people put them.

The wordings are filled by `Photo.speak_of` and with {thing}, {things} (in the plural),
{a_thing} (with its article), {doing} (running), {at} (on the grass), {shade} (red), and
{color}, which people spell in two ways. `vqa.questions.making` lists the kinds.
"""
