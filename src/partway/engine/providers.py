"""What this build of ONNX Runtime can run pieces on.

Output: names of execution providers. Called by `partway doctor`. Beside `ort`, the only module that imports ONNX
Runtime.
"""

import onnxruntime


def available_providers() -> tuple[str, ...]:
    """The execution providers of the installed ONNX Runtime, the one that it prefers first.

    A provider is listed when it was built in; whether its device and libraries are here shows only when a session
    is made.
    """
    return tuple(onnxruntime.get_available_providers())
