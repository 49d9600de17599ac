from partway.engine import CPU, OrtRuntime
from partway.engine.providers import available_providers


def test_what_is_listed_can_be_asked_for_and_the_processor_is_always_there() -> None:
    providers = available_providers()
    assert CPU in providers
    assert OrtRuntime(providers=providers).providers == providers
