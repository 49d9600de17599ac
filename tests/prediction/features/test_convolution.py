"""Features of convolutions, against a count of every position by brute force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.graph.support import law

from partway.graph import Kernel, Operand
from partway.graph.kernels import Attribute
from partway.prediction.features import Features, features_of

BLOCKED = "com.microsoft.nchwc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One dimension of a convolution."""

    size: int
    wide: int
    stride: int = 1
    dilation: int = 1
    begin: int = 0
    end: int = 0

    @property
    def outputs(self) -> int:
        return (self.size + self.begin + self.end - (self.wide - 1) * self.dilation - 1) // self.stride + 1

    @property
    def on_data(self) -> int:
        """Pairs of an output and a position of the kernel that lies on data."""
        pairs = product(range(self.outputs), range(self.wide))
        places = (out * self.stride + position * self.dilation - self.begin for out, position in pairs)
        return sum(0 <= place < self.size for place in places)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    window = Window(
        size=draw(st.integers(1, 17)),
        wide=draw(st.integers(1, 5)),
        stride=draw(st.integers(1, 3)),
        dilation=draw(st.integers(1, 3)),
        begin=draw(st.integers(0, 6)),
        end=draw(st.integers(0, 6)),
    )
    assume(window.outputs > 0)
    return window


def conv(
    dimensions: Sequence[Window],
    *,
    filters: int = 64,
    inner: int = 64,
    groups: int = 1,
    batch: int = 1,
    domain: str = BLOCKED,
    attributes: Mapping[str, Attribute] | None = None,
) -> Kernel:
    """A convolution; `inner` are the input channels of one group."""
    made: dict[str, Attribute] = {
        "group": groups,
        "strides": tuple(window.stride for window in dimensions),
        "dilations": tuple(window.dilation for window in dimensions),
        "pads": (*(window.begin for window in dimensions), *(window.end for window in dimensions)),
    }
    return Kernel(
        op_type="Conv",
        domain=domain,
        inputs=(
            Operand("float32", (batch, inner * groups, *(window.size for window in dimensions))),
            Operand("float32", (filters, inner, *(window.wide for window in dimensions)), 1),
        ),
        outputs=(Operand("float32", (batch, filters, *(window.outputs for window in dimensions))),),
        attributes=made if attributes is None else dict(attributes),
    )


def macs(features: Features) -> float:
    """All multiply-accumulates, wherever they fall."""
    return sum(amount for name, amount in features.terms.items() if "_macs" in name)


@law
@given(st.lists(windows(), min_size=1, max_size=3), st.sampled_from((1, 3, 64)), st.sampled_from((1, 2)))
def test_blocked_macs_are_all_positions_on_data(dimensions: list[Window], inner: int, batch: int) -> None:
    assume(prod(window.wide for window in dimensions) > 1)
    found = features_of(conv(dimensions, filters=128, inner=inner, batch=batch))
    expected = batch * 128 * inner * prod(window.on_data for window in dimensions)
    assert macs(found) == pytest.approx(expected)


@law
@given(st.lists(windows(), min_size=1, max_size=2), st.sampled_from((2, 4)))
def test_groups_share_no_work(dimensions: list[Window], groups: int) -> None:
    assume(prod(window.wide for window in dimensions) > 1)
    found = features_of(conv(dimensions, filters=64 * groups, inner=16, groups=groups))
    assert macs(found) == pytest.approx(64 * groups * 16 * prod(window.on_data for window in dimensions))


@law
@given(st.lists(windows(), min_size=1, max_size=2), st.sampled_from((16, 64, 96)))
def test_depthwise_work_is_counted_in_blocks_of_channels(dimensions: list[Window], channels: int) -> None:
    found = features_of(conv(dimensions, filters=channels, inner=1, groups=channels))
    assert found.variant.startswith("Conv.blocked.depthwise")
    assert macs(found) == pytest.approx(channels / 16 * prod(window.on_data for window in dimensions))


@law
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from((64, 192)), st.sampled_from((16, 256)))
def test_pointwise_work_is_every_output_of_every_pair_of_channels(
    height: int, width: int, filters: int, inner: int
) -> None:
    found = features_of(conv((Window(size=height, wide=1), Window(size=width, wide=1)), filters=filters, inner=inner))
    assert found.variant == f"Conv.blocked.{'vector' if height * width == 1 else 'pointwise'}"
    assert macs(found) == filters * inner * height * width
    assert sum(amount for name, amount in found.terms.items() if name.startswith("single")) < 6 * filters * inner


@law
@given(windows(), st.sampled_from(("SAME_UPPER", "SAME_LOWER")))
def test_padding_by_name_is_padding_by_numbers(window: Window, name: str) -> None:
    outputs = -(-window.size // window.stride)
    total = max(0, (outputs - 1) * window.stride + (window.wide - 1) * window.dilation + 1 - window.size)
    begin = total // 2 if name == "SAME_UPPER" else total - total // 2
    shape = {"size": window.size, "wide": window.wide, "stride": window.stride, "dilation": window.dilation}
    numbered = Window(**shape, begin=begin, end=total - begin)
    assume(numbered.outputs == outputs)
    by_numbers = conv((numbered, Window(size=9, wide=1)))
    named = {key: item for key, item in by_numbers.attributes.items() if key != "pads"}
    by_name = conv((numbered, Window(size=9, wide=1)), attributes=named | {"auto_pad": name})
    assert features_of(by_name) == features_of(by_numbers)


@law
@given(windows(), st.sampled_from((BLOCKED, "")), st.sampled_from((1, 64)))
def test_a_column_costs_what_a_row_costs(window: Window, domain: str, inner: int) -> None:
    one = Window(size=1, wide=1)
    column = features_of(conv((window, one), domain=domain, inner=inner))
    row = features_of(conv((one, window), domain=domain, inner=inner))
    assert (column.variant, dict(column.terms), dict(column.sizes)) == (row.variant, row.terms, row.sizes)


@law
@given(st.lists(windows(), min_size=1, max_size=2), st.sampled_from((BLOCKED, "")), st.sampled_from(((1, 64), (64, 1))))
def test_twice_the_images_are_twice_the_work(dimensions: list[Window], domain: str, shape: tuple[int, int]) -> None:
    groups, inner = shape
    one, two = (
        features_of(conv(dimensions, groups=groups, inner=inner, batch=batch, domain=domain)) for batch in (1, 2)
    )
    assume(one.variant == two.variant)
    assert two.terms == pytest.approx(
        {name: amount * (1 if name in ("call", "weight_bytes") else 2) for name, amount in one.terms.items()}
    )


@law
@given(st.lists(windows(), min_size=1, max_size=3), st.sampled_from((1, 2)))
def test_the_plain_layout_works_on_padding_too(dimensions: list[Window], groups: int) -> None:
    found = features_of(conv(dimensions, filters=6, inner=3, groups=groups, domain=""))
    assert found.variant.startswith("Conv.plain")
    assert found.terms["macs"] == prod((6, 3, *(window.outputs * window.wide for window in dimensions)))


def test_channels_may_come_last() -> None:
    first = conv((Window(size=7, wide=3), Window(size=9, wide=3)), filters=32, inner=16, domain="")
    data, weight = first.inputs[:2]
    last = Kernel(
        op_type="Conv",
        inputs=(Operand("float32", (1, 7, 9, 16)), weight),
        outputs=(Operand("float32", (1, 5, 7, 32)),),
        attributes=first.attributes | {"channels_last": 1},
    )
    assert data is not None
    assert features_of(last) == features_of(first)


def test_what_is_fused_in_has_terms_of_its_own() -> None:
    plain = conv((Window(size=8, wide=3), Window(size=8, wide=3)))
    output = plain.outputs[0]
    fused = Kernel(
        op_type="Conv",
        domain=BLOCKED,
        inputs=(*plain.inputs, Operand("float32", (64,), 1), output),
        outputs=plain.outputs,
        attributes=plain.attributes | {"activation": "HardSigmoid"},
    )
    terms = features_of(fused).terms
    assert terms["added"] == terms["activated_HardSigmoid"] == output.elements
    assert features_of(fused).variant == features_of(plain).variant
    relu = Kernel(
        op_type="FusedConv",
        domain=BLOCKED,
        inputs=plain.inputs,
        outputs=plain.outputs,
        attributes=plain.attributes | {"activation": "Relu"},
    )
    assert features_of(relu) == features_of(plain)


@pytest.mark.parametrize(
    ("filters", "inner", "groups", "wide", "kind"),
    [
        (64, 3, 1, 3, "first"),
        (64, 16, 1, 3, "dense"),
        (64, 64, 1, 1, "pointwise"),
        (64, 1, 64, 3, "depthwise"),
        (64, 16, 4, 3, "grouped"),
        (64, 16, 4, 1, "grouped_pointwise"),
    ],
)
def test_kinds_run_different_code(filters: int, inner: int, groups: int, wide: int, kind: str) -> None:
    window = Window(size=8, wide=wide)
    assert features_of(conv((window, window), filters=filters, inner=inner, groups=groups)).variant == (
        f"Conv.blocked.{kind}"
    )
    assert features_of(conv((window,), filters=filters, inner=inner, groups=groups)).variant == (
        f"Conv.blocked.{kind}.1d"
    )


def test_a_quantised_convolution_has_its_filters_elsewhere() -> None:
    whole = conv((Window(size=8, wide=3), Window(size=8, wide=3)), domain="")
    scale = Operand("float32", (), 1)
    quantised = Kernel(
        op_type="QLinearConv",
        inputs=(whole.inputs[0], scale, scale, whole.inputs[1], scale, scale, scale, scale),
        outputs=whole.outputs,
        attributes=whole.attributes,
    )
    found = features_of(quantised)
    assert found.variant == "QLinearConv.plain.dense"
    assert found.terms["macs"] == features_of(whole).terms["macs"]


@law
@given(windows(), st.sampled_from((1, 2)), st.sampled_from((1, 4)))
def test_a_transposed_convolution_multiplies_every_input_by_every_position(
    window: Window, batch: int, groups: int
) -> None:
    outputs = (window.size - 1) * window.stride + (window.wide - 1) * window.dilation + 1
    kernel = Kernel(
        op_type="ConvTranspose",
        inputs=(
            Operand("float32", (batch, 8, window.size, 5)),
            Operand("float32", (8, 12 // groups, window.wide, 1), 1),
        ),
        outputs=(Operand("float32", (batch, 12, outputs, 5)),),
        attributes={"group": groups},
    )
    found = features_of(kernel)
    assert found.variant == "ConvTranspose.2d"
    assert found.terms["macs"] == batch * window.size * 5 * 8 * (12 // groups) * window.wide


def test_unknown_shapes_are_told_by_bytes_alone() -> None:
    known = conv((Window(size=8, wide=3),))
    unknown = Kernel(op_type="Conv", inputs=(Operand("float32", None), known.inputs[1]), outputs=known.outputs)
    assert set(features_of(unknown).terms) == {"call", "input_bytes", "output_bytes", "elements"}
