"""Questions made from captions, by rules: in the order that a caption goes through.

captions -> clauses, by negation (what is not there) and noun_phrases -> counting: facts
-> kinds of questions about a photo; balance evens right and wrong claims, with absence
judging what captions leave unsaid. named -> naming and pairs ask by everyday words
alone. making puts all together, writing writes it down. The words are in lexicon.toml.
"""
