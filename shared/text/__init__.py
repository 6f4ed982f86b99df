"""Words: sentences to words, words to ids, and the forms of English words."""
