"""The network that listens: Kaldi's acoustic model, as DjiNN's Caffe file lays it out.

In comes an empty stack and how many frames a query holds; the layers are put on it. Called by the catalogue.
"""

from partway.zoo.paper.stack import LayerStack

_FEATURES, _HIDDEN, _STATES, _DEPTH = 440, 2048, 1706, 6


def kaldi(stack: LayerStack, frames: int) -> None:
    """A hybrid acoustic model, 13 layers: each frame, with five on either side, scores the states of a Markov model.

    Source: DjiNN, dnn/net-configs/asr.prototxt by the paper's authors (440 features, 2,048 hidden, 1,706 states for
    VoxForge). Kaldi's own recipes have other numbers of states; they only change the last layer.
    """
    stack.rows(frames, _FEATURES)
    for number in range(1, _DEPTH + 1):
        stack.fc(f"fc{number}", _HIDDEN)
        stack.sigmoid(f"sig{number}")
    stack.fc(f"fc{_DEPTH + 1}", _STATES)
