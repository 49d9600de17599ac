"""The lists of models are apart, and together they are all there are."""

from pathlib import Path

import pytest
from benchmarks.families import FAMILIES
from benchmarks.model_lists import FIT, LISTS, TEST, VALIDATION, family_of, open_subject
from tests.models import LIGHT_MODELS, real_models

from partway.errors import InputError


def test_no_model_is_fitted_to() -> None:
    assert FIT == ()


def test_no_family_is_in_two_lists() -> None:
    assert {family_of(name) for name in VALIDATION}.isdisjoint(family_of(name) for name in TEST)


def test_every_model_there_is_is_in_one_list() -> None:
    named = [name for names in LISTS.values() for name in names]
    there = {f"light/{name}" for name in LIGHT_MODELS} | {f"real/{model.name}" for model in real_models()}
    assert len(named) == len(set(named))
    assert there <= set(named)
    assert {family_of(name) for name in named if name.startswith("family/")} == set(FAMILIES)


def test_the_test_list_is_long_enough_to_say_something() -> None:
    assert len(TEST) >= 45


def test_a_family_and_its_seed_are_told_apart() -> None:
    assert family_of("family/shufflenet_v2-1") == "shufflenet_v2"
    assert family_of("real/silero-vad-sequence") == "silero-vad-sequence"


def test_a_seeded_model_is_written_where_one_says(tmp_path: Path) -> None:
    subject = open_subject("family/tabular-1", tmp_path)
    assert subject.path.parent == tmp_path
    assert subject.feeds
    assert not subject.values


@pytest.mark.parametrize("name", ["resnet50", "family/tabular", "dark/resnet50", "real/nothing"])
def test_an_unknown_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"names no model|not installed"):
        open_subject(name, tmp_path)
