"""One request's work, run by the executor when its turn comes: decode what was coded, run what is left of the model.

Made by the handlers for each request. The cost table hears of the tail alone: what a codec takes is no tail's, and
clients count it on top.
"""

from collections.abc import Mapping

import numpy as np

from partway.engine import Clock, OrtSession, Stop
from partway.graph import Piece
from partway.serving.decoding import CodedTensor, decode_tensors
from partway.serving.executor import Executor
from partway.serving.meaning import align
from partway.serving.models import BoundModel


class Computation:
    """The outputs of one request.

    Args:
        bound: the model.
        piece: what is left to run of it.
        feeds: the tensors that came as they are.
        coded: the others.
        executor: tells whether other requests were there meanwhile.
        clock: seconds, monotonic.
        lead_s: seconds of service that the request received before.

    Attributes:
        session: of the piece, if it is at hand; else it is asked for, and perhaps made, when its turn comes.
        brief: whether it is over before anybody could stop it, and to be ready for that takes a while, too.
        stop: said when nobody waits for the outputs any more.
        decoding_s: seconds that decoding took, once it ran.
    """

    def __init__(
        self,
        bound: BoundModel,
        piece: Piece,
        feeds: Mapping[str, np.ndarray],
        coded: Mapping[str, CodedTensor],
        *,
        executor: Executor,
        clock: Clock,
        lead_s: float,
    ) -> None:
        self.bound = bound
        self.piece = piece
        self.lead_s = lead_s
        self.session: OrtSession | None = None
        self.brief = False
        self.stop = Stop()
        self.decoding_s = 0.0
        self._feeds = feeds
        self._coded = coded
        self._executor = executor
        self._clock = clock

    @property
    def plain(self) -> bool:
        """Whether nothing is to be decoded."""
        return not self._coded

    def run(self) -> Mapping[str, np.ndarray]:
        """The outputs by name.

        Raises:
            CodecError: a coded tensor is damaged, or not the model's.
            EngineError: the runtime failed.
            RunStopped: nobody waits any more.
        """
        self.stop.check()
        session = self.session or self.bound.store.session(self.piece)
        alone = self._executor.alone
        feeds = self.feeds()
        start_s = self._clock()
        outputs = session.run(align(feeds), stop=None if self.brief else self.stop)
        took_s = self._clock() - start_s + self.lead_s
        self.bound.costs.observe(self.piece, took_s, alone=alone and self._executor.alone)
        return outputs

    def feeds(self) -> Mapping[str, np.ndarray]:
        """All that the piece is fed, decoded once.

        Raises:
            CodecError: a coded tensor is damaged, or not the model's.
        """
        if self._coded:
            start_s = self._clock()
            self._feeds = {**self._feeds, **decode_tensors(self.bound.model, self._coded)}
            self._coded = {}
            self.decoding_s = self._clock() - start_s
        return self._feeds
