"""Analysis: text to terms, the words by which passages are found.

    folding.py      what counts as the same letter
    words.py        text to words and identifiers; runs of scripts that do not divide words
    identifiers.py  part numbers, file names, addresses: as a whole and by their parts
    anchors.py      patterns tried only where they can begin
    patterns.py     what is found in other spellings: dates.py, numbers.py, digests, `C++`, emoji
    camel.py        `OrderService`
    languages.py    which language a text is in; stems
    light_stems.py  stems that Snowball does not have
    stop_words.py   the lists
    passages.py     terms of a passage
    queries.py      terms of a question
    matches.py      where terms of a question stand in a passage

All of it is analyser 2 of `pipeline.vectorstore.sparse`. A change of any term makes stored collections deaf for it, and
so needs a new analyser.
"""
