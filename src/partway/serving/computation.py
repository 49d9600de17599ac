"""One request's work, run by the executor when its turn comes: decode what was coded, run what is left of the model.

Made by the handlers for each request. The cost table hears of the tail alone: what a codec takes is no tail's, and
clients count it on top.
"""

from collections.abc import Mapping

import numpy as np

from partway.engine import Clock
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
        self.decoding_s = 0.0
        self._feeds = feeds
        self._coded = coded
        self._executor = executor
        self._clock = clock

    def run(self) -> Mapping[str, np.ndarray]:
        """The outputs by name.

        Raises:
            CodecError: a coded tensor is damaged, or not the model's.
            EngineError: the runtime failed.
        """
        session = self.bound.store.session(self.piece)
        alone = self._executor.alone
        decoded = self._decode()
        start_s = self._clock()
        outputs = session.run(align({**self._feeds, **decoded}))
        took_s = self._clock() - start_s + self.lead_s
        self.bound.costs.observe(self.piece, took_s, alone=alone and self._executor.alone)
        return outputs

    def _decode(self) -> dict[str, np.ndarray]:
        if not self._coded:
            return {}
        start_s = self._clock()
        decoded = decode_tensors(self.bound.model, self._coded)
        self.decoding_s = self._clock() - start_s
        return decoded
