import pytest
from tests.reporting.chart_views import GRID, STACKED

from partway.errors import InputError
from partway.reporting import Bars, BarSeries, Grid, format_value


def test_values_are_written_in_their_unit() -> None:
    assert format_value(0.0952, "s") == "95.2 ms"
    assert format_value(0.18, "share") == "18 %"
    assert format_value(2.034, "x") == "2.03x"
    assert [format_value(factor, "x") for factor in (999.4, 999.6, 1387.2)] == ["999x", "1,000x", "1,387x"]
    assert format_value(154_587, "B") == "155 kB"
    assert format_value(48, "count") == "48"


def test_bars_have_a_value_a_category_and_do_not_stack_on_logarithms() -> None:
    with pytest.raises(InputError, match=r"bars of 'one' have 1 values for 2 categories; give one for each"):
        Bars(title="", categories=("a", "b"), series=(BarSeries(name="one", values=(1.0,)),), unit="s", axis="")
    with pytest.raises(InputError, match="stacked bars on a logarithmic axis mean nothing"):
        Bars(
            title="",
            categories=STACKED.categories,
            series=STACKED.series,
            unit="s",
            axis="",
            stacked=True,
            logarithmic=True,
        )


def test_cells_of_a_grid_are_one_a_row_and_column_and_shares_are_shares() -> None:
    with pytest.raises(InputError, match="texts of a grid must be of 2 rows and 2 columns"):
        Grid(title="", columns=GRID.columns, rows=GRID.rows, texts=(("a", "b"),), shares=GRID.shares, scale="")
    with pytest.raises(InputError, match="between 0 and 1"):
        Grid(title="", columns=("a",), rows=("b",), texts=(("c",),), shares=((1.5,),), scale="")
