from partway import wire


def test_every_export_exists_and_is_listed_once() -> None:
    assert len(wire.__all__) == len(set(wire.__all__))
    assert all(hasattr(wire, name) for name in wire.__all__)
