"""Windows of convolutions and pools."""

from hypothesis import given
from hypothesis import strategies as st

from partway.zoo.window import Padding, Window

SIDES = st.integers(1, 60)
SMALL = st.integers(1, 5)


def test_a_size_for_all_or_for_each_dimension() -> None:
    window = Window.over((20, 30), (3, 5), stride=2, padding=1)
    assert window.attributes() == {"kernel_shape": (3, 5), "strides": (2, 2), "pads": (1, 1, 1, 1)}
    assert window.sizes() == (10, 14)


@given(side=SIDES, kernel=SMALL, stride=SMALL, dilation=SMALL)
def test_upper_padding_leaves_as_many_outputs_as_strides(side: int, kernel: int, stride: int, dilation: int) -> None:
    window = Window.over((side,), kernel, stride=stride, dilation=dilation, padding="upper")
    assert window.sizes() == (-(-side // stride),)
    assert 0 <= window.after[0] - window.before[0] <= 1


@given(side=SIDES, half=st.integers(0, 4), dilation=SMALL, padding=st.sampled_from(["same", "upper", "causal"]))
def test_an_odd_kernel_at_stride_one_keeps_the_size(side: int, half: int, dilation: int, padding: Padding) -> None:
    window = Window.over((side,), 2 * half + 1, dilation=dilation, padding=padding)
    assert window.sizes() == (side,)


@given(side=st.integers(6, 60), kernel=SMALL, stride=SMALL)
def test_counting_last_partial_windows_adds_at_most_one(side: int, kernel: int, stride: int) -> None:
    window = Window.over((side,), kernel, stride=stride, padding="valid")
    (whole,), (all_of_them,) = window.sizes(), window.sizes(ceil=True)
    assert whole <= all_of_them <= whole + 1
