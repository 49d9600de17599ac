"""No report of anybody's models leaves their machine.

Since 1.29 ONNX Runtime's Linux builds report by default: an identifier of the device, names and digests of models. It
reads the variable below when it is loaded, so this module is imported before it. Whoever wants to report sets it
to 0 themselves. Why: docs/decisions/0006.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
