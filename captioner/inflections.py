"""Forms of an English word: its plural, and what a verb's endings make of it."""

import re
from collections.abc import Collection

# fmt: off
# A base, then the forms that no rule makes. Left out on purpose are past tenses that
# captions use as another word: bit, bore, bound, dove, ground, left, rose, wound.
_IRREGULAR = """
be am is are was were been being / have has had / do does doing did done
go goes going went gone / say said / pay paid / lay laid / lie lay lain
become became / begin began begun / bend bent / bite bitten / bleed bled
blow blew blown / break broke broken / breed bred / bring brought / build built
burn burnt / buy bought / catch caught / choose chose chosen / cling clung
come came / creep crept / deal dealt / dig dug / draw drew drawn / dream dreamt
drink drank drunk / drive drove driven / eat ate eaten / fall fell fallen
feed fed / feel felt / fight fought / find found / flee fled / fling flung
fly flew flown / forget forgot forgotten / freeze froze frozen / get got gotten
give gave given / grow grew grown / hang hung / hear heard / hide hid hidden
hold held / keep kept / kneel knelt / know knew known / lead led / lean leant
leap leapt / learn learnt / lend lent / light lit / lose lost / make made / meet met
ride rode ridden / ring rang rung / rise risen / run ran / see saw seen / seek sought
sell sold / send sent / shake shook shaken / shine shone / shoot shot
shrink shrank shrunk / sing sang sung / sink sank sunk / sit sat / sleep slept
slide slid / sling slung / speak spoke spoken / speed sped / spend spent / spill spilt
spin spun / spit spat / spring sprang sprung / stand stood / steal stole stolen
stick stuck / sting stung / strike struck stricken / string strung / sweep swept
swear swore sworn / swim swam swum / swing swung / take took taken / teach taught
tear tore torn / tell told / think thought / throw threw thrown
understand understood / wake woke woken / wear wore worn / weave wove woven
weep wept / win won / wring wrung / write wrote written
show shown / sew sewn / sow sown / mow mown / saw sawn / prove proven
picnic picnicking picnicked / quiz quizzes quizzed quizzing / bus busses
person people / foot feet / tooth teeth / goose geese / mouse mice / ox oxen
cactus cacti / calf calves / elf elves / half halves / hoof hooves / knife knives
leaf leaves / life lives / loaf loaves / scarf scarves / self selves / shelf shelves
thief thieves / wife wives / wolf wolves / dwarf dwarves / wharf wharves
"""
# Words that look like a form of another and are none.
_UNRELATED = """
short shorts / new news / good goods / mean means / even evening / out outing
doe does / fee feed / see seed / wee weed / sky skied / rug rugged / rag ragged
car carring / cloth clothed clothing / tight tights / wind winding / leg legging
suite suited / tire tired / stock stocking / pant panting panted
"""
# Words that have no regular form and are none.
_RIGID = frozenset((
    "the", "she", "her", "his", "its", "this", "that", "and", "but", "for", "with",
    "you", "your", "our", "are", "was", "has", "had", "out", "off", "all", "not",
))
# fmt: on
_COMPOUNDS = (("man", "men"), ("child", "children"))


def _pairs(table: str) -> set[tuple[str, str]]:
    lines = [line.split() for line in table.replace("\n", "/").split("/")]
    return {(base, form) for base, *forms in filter(None, lines) for form in forms}


_IRREGULAR_PAIRS = _pairs(_IRREGULAR)
_UNRELATED_PAIRS = _pairs(_UNRELATED)


def inflections(word: str, known: Collection[str]) -> set[str]:
    """Find the forms of an English word among the known words.

    They are those that share a base with it, so "men" and "man" find each other, and
    so do "ran" and "running". Rules are for words of three letters and more; when in
    doubt, two words are not linked.

    >>> sorted(inflections("run", {"run", "running", "ran", "rung", "runner"}))
    ['ran', 'run', 'running']

    Returns:
        The known forms, `word` among them if it is known.
    """
    forms = {word}.union(*map(_forms, _bases(word)))
    return {form for form in forms if form in known}


def _forms(base: str) -> set[str]:
    """All forms that a base may have, whether they exist or not; itself included."""
    forms = {form for other, form in _IRREGULAR_PAIRS if other == base} | {base}
    for one, many in _COMPOUNDS:
        if base.endswith(one):
            forms.add(base.removesuffix(one) + many)
    vowel = re.search("[aeiouy]", base.removesuffix("e"))
    if len(base) >= 3 and vowel and base not in _RIGID:
        forms |= _regular_forms(base) - _RIGID
    return {form for form in forms if (base, form) not in _UNRELATED_PAIRS}


def _regular_forms(base: str) -> set[str]:
    if re.search("[^aeiou]y$", base):
        return {base[:-1] + "ies", base[:-1] + "ied", base + "ing"}
    forms = set()
    if not base.endswith(("s", "x", "z", "sh")):
        forms.add(base + "s")
    if base.endswith(("s", "x", "z", "sh", "ch", "o")):
        forms.add(base + "es")
    if base.endswith("ie"):
        return forms | {base + "d", base[:-2] + "ying"}
    if base.endswith(("ee", "oe", "ye")):
        return forms | {base + "d", base + "ing"}
    if base.endswith("e"):
        return forms | {base + "d", base[:-1] + "ing"}
    stems = {base}
    if re.search("([^aeiou]|qu|^)[aeiouy][^aeiouwxy]$", base):
        # "hoping" is no form of "hop"; longer words may double their end or not.
        short = re.fullmatch("(qu|[^aeiouy])*y?[aeiouy][^aeiouy]", base)
        stems = {base + base[-1]} if short else {base, base + base[-1]}
    return forms | {stem + ending for stem in stems for ending in ("ed", "ing")}


def _bases(word: str) -> set[str]:
    """All words, existing or not, that `word` is a form of; itself included."""
    stems = {base for base, form in _IRREGULAR_PAIRS if form == word} | {word}
    for ending in ("s", "es", "d", "ed", "ing"):
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            stems |= {stem, stem[:-1], stem + "e"}  # running, hoping
            if stem.endswith(("i", "y")):
                stems |= {stem[:-1] + "y", stem[:-1] + "ie"}  # tries, lying
    for one, many in _COMPOUNDS:
        if word.endswith(many):
            stems.add(word.removesuffix(many) + one)
    return {stem for stem in stems if word in _forms(stem)}
