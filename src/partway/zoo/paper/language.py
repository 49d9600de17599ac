"""The networks that read: SENNA's taggers, which score the tags of every word of a sentence.

In comes an empty stack and how many words a query holds; the layers are put on it. Called by the catalogue. A word
comes as the features of a window of five: 50 numbers for each word, 5 for how it is capitalised, and those of the task.
"""

from partway.zoo.paper.stack import LayerStack

_WINDOW, _WORD, _CAPITALS, _FEATURE, _HIDDEN = 5, 50, 5, 5, 300


def senna_pos(stack: LayerStack, words: int) -> None:
    """Parts of speech, 45 tags, from word, capitals and suffix.

    Source: Collobert et al., JMLR 2011; DjiNN, dnn/net-configs/pos.prototxt.
    """
    _tag(stack, words, features=1, tags=45)


def senna_chk(stack: LayerStack, words: int) -> None:
    """Chunks, 42 tags, from word, capitals and part of speech.

    Source: Collobert et al., JMLR 2011; DjiNN, dnn/net-configs/chk.prototxt.
    """
    _tag(stack, words, features=1, tags=42)


def senna_ner(stack: LayerStack, words: int) -> None:
    """Names, 17 tags, from word, capitals and four gazetteers.

    Source: Collobert et al., JMLR 2011; DjiNN, dnn/net-configs/ner.prototxt.
    """
    _tag(stack, words, features=4, tags=17)


def _tag(stack: LayerStack, words: int, *, features: int, tags: int) -> None:
    stack.rows(words, _WINDOW * (_WORD + _CAPITALS + features * _FEATURE))
    stack.fc("fc1", _HIDDEN)
    stack.htanh("htanh")
    stack.fc("fc3", tags)
