"""What the sources of Figures 10 to 12 leave open beside the sizes of a query, and each number by every reading of it.

The paper's own text does not say whether device-only sends its result, nor whether images other than AlexNet's travel
as bytes or as numbers. The program that its authors published sends the result, and all inputs as float32; facts that
are told of AlexNet (152 KB an image) have bytes. Their files hold queries of 100 digits and of 10. So no reading is the
right one, and the spans of the means and maxima are over all of them.

Input: the set-up. Output: the same set-up as it would be by each reading, and a table of the numbers. Called by
`speed_ups`.
"""

from collections.abc import Mapping
from dataclasses import replace

from partway.studies.setup import Setup
from partway.zoo import paper_network

_FEWER_DIGITS = 10
_FLOAT_BYTES = 4


def readings_of(setup: Setup) -> Mapping[str, Setup]:
    """The set-up by every reading at the stated sizes, ours first: its images are bytes, and its result is sent."""
    fewer = {**setup.networks, "mnist": paper_network("mnist", queries=_FEWER_DIGITS)}
    return {
        "as here": setup,
        "no result": replace(setup, result_sent=False),
        "float32 images": replace(setup, image_element_bytes=_FLOAT_BYTES),
        "both": replace(setup, result_sent=False, image_element_bytes=_FLOAT_BYTES),
        "10 digits": replace(setup, networks=fewer),
        "10 digits, float32": replace(setup, networks=fewer, image_element_bytes=_FLOAT_BYTES),
    }
