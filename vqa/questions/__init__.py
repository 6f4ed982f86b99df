"""Questions made from captions, by rules: in the order that a caption goes through.

captions -> denial (what is not there), phrases (nouns) and grammar (clauses) -> facts
-> asking (answered in words), claims and deeds (yes or no), with absence judging what
captions leave unsaid -> making. The others are tables.
"""
