"""The session answers as the model does, wherever it runs and whatever fails."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tests.client.loopback import LoopbackServer
from tests.models import chain_model, diamond_model, dynamic_model, if_model, multi_io_model, random_feeds, run_whole

import partway
from partway.errors import BindingError, InputError, ModelError, ServerRefused, ServerUnavailable, WireError
from partway.link import Link
from partway.wire import COSTS_MODEL, InferRequest

Feeds = dict[str, np.ndarray]

# An emulated device this slow offloads whatever the link allows.
SLOW = 20.0
FAST_LINK = Link(uplink_bytes_per_s=1e9, downlink_bytes_per_s=1e9, rtt_s=0.0)


def void(_value: object) -> None:
    """Nothing, whatever was computed."""


def assert_equal_to_model(path: Path, feeds: Feeds, outputs: dict[str, np.ndarray]) -> None:
    for name, expected in run_whole(path, feeds).items():
        if name in outputs:
            np.testing.assert_allclose(outputs[name], expected, rtol=1e-4, atol=1e-6)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    return chain_model(tmp_path)


@pytest.fixture
def ready(chain: Path) -> Iterator[tuple[partway.InferenceSession, LoopbackServer, Feeds]]:
    """A session that offloads over a fast link, all costs known."""
    server = LoopbackServer(chain)
    feeds = random_feeds(chain)
    with partway.InferenceSession(chain, transport=server, device_slowdown=SLOW, prior_link=FAST_LINK) as session:
        assert session.wait_until_ready(feeds)
        yield session, server, feeds


def test_the_first_answer_needs_no_server_and_no_preparation(chain: Path) -> None:
    held = threading.Event()
    server = LoopbackServer(chain)
    server.before = lambda _request: void(held.wait(60))
    feeds = random_feeds(chain)
    with partway.InferenceSession(chain, transport=server) as session:
        result = session.run_detailed(None, feeds)
        held.set()
    assert not result.offloaded
    assert "being prepared" in result.reason
    assert_equal_to_model(chain, feeds, dict(zip(result.output_names, result.outputs, strict=True)))


def test_a_session_without_a_server_runs_on_the_device(chain: Path) -> None:
    feeds = random_feeds(chain)
    with partway.InferenceSession(chain) as session:
        result = session.run_detailed(None, feeds)
        assert not session.wait_until_ready(feeds)
    assert result.reason == "the device alone, since no server was given"
    assert_equal_to_model(chain, feeds, dict(zip(result.output_names, result.outputs, strict=True)))


def test_it_describes_inputs_outputs_and_providers_as_onnxruntime_does(tmp_path: Path) -> None:
    path = dynamic_model(tmp_path)
    theirs = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with partway.InferenceSession(path) as ours:
        for mine, other in ((ours.get_inputs(), theirs.get_inputs()), (ours.get_outputs(), theirs.get_outputs())):
            assert [(arg.name, arg.type, list(arg.shape)) for arg in mine] == [
                (arg.name, arg.type, arg.shape) for arg in other
            ]
        assert ours.get_providers() == theirs.get_providers()


def test_a_slow_device_on_a_fast_link_offloads(
    ready: tuple[partway.InferenceSession, LoopbackServer, Feeds], chain: Path
) -> None:
    session, server, feeds = ready
    result = session.run_detailed(None, feeds)
    assert result.offloaded
    assert result.crossing == tuple(tensor.name for tensor in server.inferred[-1].tensors)
    assert result.emulated_slowdown == SLOW
    assert result.total_s == pytest.approx(result.device_s + result.uplink_s + result.server_s + result.downlink_s)
    assert_equal_to_model(chain, feeds, dict(zip(result.output_names, result.outputs, strict=True)))


@pytest.mark.parametrize("build", [chain_model, diamond_model, if_model, multi_io_model], ids=lambda b: b.__name__)
@pytest.mark.parametrize("uplink_bytes_per_s", [1e3, 1e5, 1e6, 1e9])
def test_answers_are_the_models_own_on_every_link(
    tmp_path: Path, build: Callable[[Path], Path], uplink_bytes_per_s: float
) -> None:
    path = build(tmp_path)
    feeds = random_feeds(path)
    server = LoopbackServer(path, uplink_bytes_per_s=uplink_bytes_per_s)
    with partway.InferenceSession(path, transport=server, device_slowdown=SLOW, prior_link=FAST_LINK) as session:
        session.wait_until_ready(feeds)
        for _ in range(5):
            outputs = dict(zip((o.name for o in session.get_outputs()), session.run(None, feeds), strict=True))
            assert_equal_to_model(path, feeds, outputs)


def test_a_new_shape_just_works(tmp_path: Path) -> None:
    path = dynamic_model(tmp_path)
    with partway.InferenceSession(
        path, transport=LoopbackServer(path), device_slowdown=SLOW, prior_link=FAST_LINK
    ) as session:
        for size in (8, 12, 8, 16):
            feeds = random_feeds(path, {"image": (1, 3, size, size)})
            for _ in range(2):
                result = session.run_detailed(None, feeds)
                assert_equal_to_model(path, feeds, dict(zip(result.output_names, result.outputs, strict=True)))
            assert session.wait_until_ready(feeds)
            assert session.run_detailed(None, feeds).offloaded


def test_only_the_wanted_outputs_come_in_the_wanted_order(tmp_path: Path) -> None:
    path = multi_io_model(tmp_path)
    feeds = random_feeds(path)
    names = list(run_whole(path, feeds))
    with partway.InferenceSession(
        path, transport=LoopbackServer(path), device_slowdown=SLOW, prior_link=FAST_LINK
    ) as session:
        session.wait_until_ready(feeds)
        for wanted in ([names[-1]], [names[-1], names[0]], names):
            outputs = session.run(wanted, feeds)
            assert_equal_to_model(path, feeds, dict(zip(wanted, outputs, strict=True)))
            assert len(outputs) == len(wanted)


FAILURES: dict[str, Exception] = {
    "gone": ServerUnavailable("connection reset"),
    "busy": ServerRefused("RESOURCE_EXHAUSTED", "the queue is full"),
    "another model": ServerRefused("FAILED_PRECONDITION", "the digest is another one"),
    "damaged": WireError("the checksum does not match"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_request_that_fails_remotely_is_finished_alone_from_the_tensors_at_hand(
    ready: tuple[partway.InferenceSession, LoopbackServer, Feeds], chain: Path, failure: Exception
) -> None:
    session, server, feeds = ready

    def fail(_request: InferRequest) -> None:
        raise failure

    server.before = fail
    result = session.run_detailed(None, feeds)
    assert result.fell_back
    assert not result.offloaded
    assert str(failure) in result.reason
    assert_equal_to_model(chain, feeds, dict(zip(result.output_names, result.outputs, strict=True)))
    after = session.run_detailed(None, feeds)
    assert not after.fell_back, "a server that just failed is left alone for a while"
    assert_equal_to_model(chain, feeds, dict(zip(after.output_names, after.outputs, strict=True)))


def test_an_answer_with_a_flipped_bit_is_not_believed(
    ready: tuple[partway.InferenceSession, LoopbackServer, Feeds], chain: Path
) -> None:
    session, server, feeds = ready
    server.alter = lambda content: content[:-1] + bytes((content[-1] ^ 1,))
    result = session.run_detailed(None, feeds)
    assert result.fell_back
    assert_equal_to_model(chain, feeds, dict(zip(result.output_names, result.outputs, strict=True)))


def test_a_server_that_comes_back_is_used_again(
    ready: tuple[partway.InferenceSession, LoopbackServer, Feeds],
) -> None:
    session, server, feeds = ready
    failing = iter([ServerUnavailable("gone")])

    def fail_once(_request: InferRequest) -> None:
        if (error := next(failing, None)) is not None:
            raise error

    server.before = fail_once
    assert session.run_detailed(None, feeds).fell_back
    assert any(session.run_detailed(None, feeds).offloaded for _ in range(10_000))


def test_a_server_that_knows_no_costs_yet_is_not_offloaded_to(chain: Path) -> None:
    server = LoopbackServer(chain)
    server.tail_s = None
    feeds = random_feeds(chain)
    with partway.InferenceSession(chain, transport=server, device_slowdown=SLOW, prior_link=FAST_LINK) as session:
        assert not session.wait_until_ready(feeds, timeout_s=1.0)
        assert not session.run_detailed(None, feeds).offloaded
    assert not server.inferred


def test_a_poor_link_keeps_the_work_on_the_device(chain: Path) -> None:
    server = LoopbackServer(chain, rtt_s=30.0)
    feeds = random_feeds(chain)
    with partway.InferenceSession(chain, transport=server) as session:
        assert session.wait_until_ready(feeds)
        result = session.run_detailed(None, feeds)
    assert not result.offloaded
    assert "the device alone" in result.reason
    assert not server.inferred


def test_many_threads_share_a_session(chain: Path) -> None:
    server = LoopbackServer(chain)
    requests = [random_feeds(chain, seed=seed) for seed in range(32)]
    with (
        partway.InferenceSession(chain, transport=server, device_slowdown=5.0, prior_link=FAST_LINK) as session,
        ThreadPoolExecutor(8) as pool,
    ):
        for round_ in range(2):
            if round_:
                session.wait_until_ready(requests[0])
            results = list(pool.map(lambda feeds: session.run_detailed(None, feeds), requests))
            for feeds, result in zip(requests, results, strict=True):
                assert_equal_to_model(chain, feeds, dict(zip(result.output_names, result.outputs, strict=True)))


def test_the_digest_binding_and_crossing_names_travel(
    ready: tuple[partway.InferenceSession, LoopbackServer, Feeds], chain: Path
) -> None:
    session, server, feeds = ready
    session.run(None, feeds)
    request = server.inferred[-1]
    assert request.model_name == chain.stem
    assert request.parameters["partway.digest"] == server.source.digest
    assert request.parameters["partway.binding"] == server.source.bind_feeds(feeds).encode()


def test_wrong_feeds_are_the_callers_error_and_not_the_servers(
    ready: tuple[partway.InferenceSession, LoopbackServer, Feeds],
) -> None:
    session, _, feeds = ready
    name = next(iter(feeds))
    with pytest.raises(BindingError):
        session.run(None, {})
    with pytest.raises(BindingError):
        session.run(None, {name: feeds[name].astype(np.float64)})
    with pytest.raises(BindingError):
        session.run(None, {**feeds, "nobody": feeds[name]})
    with pytest.raises(InputError, match="no output 'nobody'"):
        session.run(["nobody"], feeds)
    assert session.run_detailed(None, feeds).offloaded, "nobody else pays for it"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"server": "http://host:1"}, "grpc://host:port"),
        ({"server": "grpc://host"}, "grpc://host:port"),
        ({"server": "grpc://host:99999999"}, "grpc://host:port"),
        ({"timeout_s": 0.0}, "above 0"),
        ({"device_slowdown": 0.5}, "1 or more"),
        ({"bind": {"nobody": 1}}, "no input 'nobody'"),
        ({"providers": ("NoSuchProvider",)}, "NoSuchProvider"),
    ],
)
def test_wrong_arguments_say_what_to_write(chain: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        partway.InferenceSession(chain, **arguments)  # type: ignore[arg-type]  # wrong on purpose


def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    for path in (tmp_path / "text.onnx", tmp_path / "absent.onnx"):
        with pytest.raises(ModelError, match=path.name):
            partway.InferenceSession(path)


def test_a_closed_session_says_so(chain: Path) -> None:
    session = partway.InferenceSession(chain, transport=LoopbackServer(chain))
    session.close()
    session.close()
    with pytest.raises(InputError, match="closed"):
        session.run(None, random_feeds(chain))


def test_costs_are_asked_again_while_requests_come_but_not_for_each(
    ready: tuple[partway.InferenceSession, LoopbackServer, Feeds],
) -> None:
    session, server, feeds = ready
    asked: list[str] = []
    server.before = lambda request: asked.append(request.model_name)
    for _ in range(20):
        session.run(None, feeds)
    assert asked.count(COSTS_MODEL) < 20
