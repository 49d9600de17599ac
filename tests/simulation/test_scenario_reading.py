"""A scenario is read as it is written, and every mistake is one line that says where and what to do."""

from pathlib import Path

import numpy as np
import pytest
from tests.simulation.fleet_cases import TABLE
from tests.simulation.scenarios import FLEET, STREAM, asking

from partway.documents import write_document
from partway.errors import InputError, LinkError, ScenarioError
from partway.link import NAMED_LINKS
from partway.planning import make_plan
from partway.simulation.arrivals import Renewal, Replayed
from partway.simulation.compound_distributions import Mixture
from partway.simulation.distributions import Constant, Exponential
from partway.simulation.fleets import Fleet, Pause
from partway.simulation.queues import Queue
from partway.simulation.scenario import AgainstLoad, AsItIs, BadHour, MostWithin, Scenario, WorkersFor
from partway.simulation.scenario_reading import read_scenario
from partway.simulation.scenario_tables import MAX_FILE_BYTES

BACK = '{ from = "10s", link = "up=20Mbit/s,down=56Mbit/s,rtt=10ms" }'
HOUR = FLEET + f'changes = [{{ from = "5s", link = "3g" }}, {BACK}]\n'


def read(folder: Path, text: str) -> Scenario:
    path = folder / "scenario.toml"
    path.write_text(text)
    return read_scenario(path)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as error:
        read(folder, text)
    return str(error.value).removeprefix(str(folder / "scenario.toml"))


def queue(scenario: Scenario) -> Queue:
    assert isinstance(scenario.subject, Queue)
    return scenario.subject


def fleet(scenario: Scenario) -> Fleet:
    assert isinstance(scenario.subject, Fleet)
    return scenario.subject


def test_a_stream_is_read(tmp_path: Path) -> None:
    scenario = read(tmp_path, STREAM)
    assert (scenario.title, scenario.seed, scenario.jobs) == ("a stream", 3, 2000)
    assert isinstance(scenario.question, AsItIs)
    assert queue(scenario).load == pytest.approx(0.7)
    assert queue(scenario).arrivals.rate_per_s == pytest.approx(140.0)
    assert queue(scenario).service == Exponential(mean_s=0.01)
    assert scenario.precision.mean == 0.5


def test_the_seed_may_be_another(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STREAM)
    assert read_scenario(tmp_path / "s.toml", seed=9).seed == 9


def test_what_is_not_said_has_its_usual_value(tmp_path: Path) -> None:
    scenario = read(tmp_path, '[requests]\nrate = "30/min"\nservice = "10ms"\n')
    assert scenario.title == "scenario"
    assert queue(scenario).workers == 1
    assert queue(scenario).arrivals.rate_per_s == pytest.approx(0.5)
    assert queue(scenario).service == Constant(mean_s=0.01)
    assert (scenario.precision.mean, scenario.precision.p95, scenario.precision.most_runs) == (0.01, 0.02, 64)


def test_arrivals_are_named_or_measured(tmp_path: Path) -> None:
    (tmp_path / "gaps.cdf").write_text("0 0\n0.001 0.5\n0.003 1\n")
    (tmp_path / "stamps.csv").write_text("t_s\n0\n1\n3\n")
    for name, kind, variation in (
        ("google-search", Renewal, 1.19),
        ("even", Renewal, 0.0),
        ("poisson", Renewal, 1.0),
        ("gaps.cdf", Renewal, None),
        ("stamps.csv", Replayed, None),
    ):
        found = queue(read(tmp_path, STREAM.replace("load =", f'arrivals = "{name}"\nload =')))
        assert isinstance(found.arrivals, kind)
        assert found.load == pytest.approx(0.7)
        if variation is not None:
            assert found.arrivals.variation == pytest.approx(variation, abs=0.01)


def test_kinds_of_requests_are_mixed_by_their_shares(tmp_path: Path) -> None:
    text = STREAM.replace('service = "10ms"\nvariation = 1.0\n', "") + (
        '[[requests.kinds]]\nshare = 3\nservice = "1ms"\n[[requests.kinds]]\nshare = "100%"\nservice = "5ms"\n'
    )
    service = queue(read(tmp_path, text)).service
    assert isinstance(service, Mixture)
    assert service.mean_s == pytest.approx(0.002)


def test_a_server_may_batch(tmp_path: Path) -> None:
    batch = '[server]\nbatch = { seconds = ["10ms", "12ms"], wait = "2ms", variation = 0.1 }\n'
    found = queue(read(tmp_path, STREAM.replace("[server]\n", batch)))
    assert found.batching is not None
    assert found.batching.seconds == (0.01, 0.012)
    assert found.batching.wait_s == 0.002
    assert found.capacity_per_s == pytest.approx(2 * 2 / 0.012)


def test_a_fleet_is_read(tmp_path: Path) -> None:
    scenario = read(tmp_path, FLEET)
    found = fleet(scenario).groups[0]
    assert scenario.duration_s == 20.0
    assert (found.name, found.devices, found.policy, found.heeds_load) == ("phones", 40, "adaptive", True)
    assert np.array_equal(found.table.terms, TABLE.terms)
    assert found.requests == Pause(mean_s=0.5)
    assert found.path.at(0.0).uplink_bytes_per_s == 2.5e6


def test_a_fleet_s_requests_may_come_by_a_rate(tmp_path: Path) -> None:
    requests = (
        fleet(read(tmp_path, FLEET.replace('pause = "500ms"', 'every = "20s"\narrivals = "even"'))).groups[0].requests
    )
    assert not isinstance(requests, Pause)
    assert requests.rate_per_s == pytest.approx(2.0)
    assert requests.variation == 0.0


def test_a_link_may_be_named_a_trace_or_change(tmp_path: Path) -> None:
    (tmp_path / "bus.csv").write_text("t_s,mbps\n0,8\n1,16\n")
    text = FLEET.replace("up=20Mbit/s,down=56Mbit/s,rtt=10ms", "up=bus.csv,down=8Mbit/s")
    assert fleet(read(tmp_path, text)).groups[0].path.at(1.5).uplink_bytes_per_s == 2e6
    path = fleet(read(tmp_path, HOUR)).groups[0].path
    assert path.at(7.0) == NAMED_LINKS["3g"]
    assert path.at(12.0) == path.at(0.0)


def test_cuts_may_come_from_a_plan(tmp_path: Path) -> None:
    plan = make_plan(
        model="sha256:0", binding="{}", costs=list(TABLE.costs), device="d", server="s", created_from="a test"
    )
    write_document(tmp_path / "plan.json", plan)
    text = FLEET[: FLEET.index("cuts")] + 'plan = "plan.json"\n'
    costs = fleet(read(tmp_path, text)).groups[0].table.costs
    assert {cost.crossing for cost in costs} == {(), ("image",), ("pool5",)}


NAMED = FLEET[: FLEET.index("cuts")] + 'network = "alexnet"\ndevice = "jetson-tk1-gpu"\nserver = "tesla-k40"\n'


def test_costs_may_come_from_names(tmp_path: Path) -> None:
    costs = fleet(read(tmp_path, NAMED)).groups[0].table.costs
    assert costs[0].up_bytes == 227 * 227 * 3
    assert any(cost.crossing == ("pool5",) for cost in costs)
    assert not costs[-1].offloaded


def test_every_study_is_read(tmp_path: Path) -> None:
    asked = {
        'kind = "load"\nloads = [0.9, 0.5]': AgainstLoad(points=(0.5, 0.9)),
    }
    for study, question in asked.items():
        assert read(tmp_path, asking(STREAM, study)).question == question
    within = read(tmp_path, asking(STREAM, 'kind = "throughput"\np95 = "50ms"')).question
    assert isinstance(within, MostWithin)
    assert (within.target.quantity, within.target.seconds) == ("p95", 0.05)
    servers = read(tmp_path, asking(STREAM, 'kind = "servers"\nmean = "50ms"\nrates = ["500/s", "100/s"]')).question
    assert isinstance(servers, WorkersFor)
    assert servers.points == (100.0, 500.0)
    crowd = read(tmp_path, asking(FLEET, 'kind = "servers"\np95 = "50ms"')).question
    assert isinstance(crowd, WorkersFor)
    assert crowd.points == (40,)
    devices = read(tmp_path, asking(FLEET, 'kind = "load"\ndevices = [20, 10]')).question
    assert devices == AgainstLoad(points=(10, 20))


def test_a_bad_hour_is_from_the_first_change_to_the_last_and_has_a_calm_twin(tmp_path: Path) -> None:
    question = read(tmp_path, asking(HOUR, 'kind = "hour"')).question
    assert isinstance(question, BadHour)
    assert (question.from_s, question.until_s) == (5.0, 10.0)
    assert question.calm.groups[0].path.at(7.0).rtt_s == 0.01


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (STREAM.replace("workers", "wokers"), 12, "unknown key 'wokers' in [server]; did you mean 'workers'?"),
        (STREAM.replace("service =", "servce ="), 16, "unknown key 'servce' in [requests]; did you mean 'service'?"),
        (
            STREAM.replace("workers = 2", "colour = 2"),
            12,
            "unknown key 'colour' in [server]; known here: batch, workers",
        ),
        (STREAM.replace("[server]", "[sever]"), 11, "unknown table 'sever' in the scenario; did you mean 'server'?"),
        (STREAM.replace("workers = 2", "workers = 2.5"), 12, "workers: 2.5 is no count"),
        (STREAM.replace("workers = 2", "workers = true"), 12, "workers: true is no count"),
        (STREAM.replace("workers = 2", "workers = 0"), 12, "workers: 0 is too few; write a whole number from 1"),
        (STREAM.replace('"10ms"', "10"), 16, "service: 10 has no unit; write it in quotes with one, such as '5ms'"),
        (STREAM.replace('"10ms"', '"10 lightyears"'), 16, "service: '10 lightyears' is not a duration"),
        (STREAM.replace('"10ms"', '"0ms"'), 16, "it must be above 0"),
        (STREAM.replace("load = 0.7", "load = 1.2"), 14, "the queue grows for ever"),
        (STREAM.replace("load = 0.7", 'rate = "10 a day"'), 15, "rate: '10 a day' is no rate"),
        (STREAM.replace("load = 0.7", 'load = "much"'), 15, "load: 'much' is no finite number"),
        (STREAM.replace("load = 0.7", "load = -1"), 15, "-1 is out of range; it must be above 0"),
        (STREAM.replace("variation = 1.0", "variation = 1e200"), 17, "variation: a coefficient of variation is 1e+200"),
        (FLEET.replace("workers = 1", "variation = 1e200"), 11, "variation: a coefficient of variation is 1e+200"),
        (
            FLEET.replace("count = 40", "count = 40\nspread = 1e200"),
            16,
            "spread: 1e+200 is out of range; it must be at",
        ),
        (STREAM.replace("load = 0.7", ""), 14, "neither a load nor a rate"),
        (STREAM.replace("load = 0.7", 'load = 0.7\nrate = "1/s"'), 15, "a rate and a load; give one"),
        (STREAM.replace("load = 0.7", 'load = 0.7\narrivals = "poison"'), 16, "did you mean 'poisson'?"),
        (STREAM.replace('mean = "50%"', 'mean = "0%"'), 7, "is no share above 0"),
        (STREAM.replace('service = "10ms"\n', ""), 14, "[requests] has no 'service', which it needs"),
        (STREAM.replace("seed = 3", 'seed = "x"'), 3, "seed: 'x' is no count"),
        (
            STREAM.replace("seed = 3", "seed = 3\nserver = 2").replace("[server]\nworkers = 2", ""),
            4,
            "server is 2; expected a table",
        ),
        (STREAM + "\n[[devices]]\ncount = 1\n", None, "either [requests]"),
        ("title = 'nothing'\n", None, "either [requests]"),
        (asking(STREAM, 'kind = "lod"'), 20, "kind: 'lod' is not known here; did you mean 'load'?"),
        (asking(STREAM, 'kind = "load"\nloads = [0.5, 1.5]'), 21, "loads: 1.5 is out of range"),
        (asking(STREAM, 'kind = "load"\nloads = []'), 21, "loads: the list is empty; give at least one value"),
        (asking(STREAM, 'kind = "load"\nloads = 0.5'), 21, "loads: 0.5 is no list; write values in brackets"),
        (STREAM.replace("jobs = 2000", "jobs = 100"), 6, "jobs: 100 is too few; write a whole number from 1,000"),
        (
            asking(STREAM.replace("load = 0.7", ""), 'kind = "throughput"\np95 = "50ms"').replace(
                "[study]", "[studdy]"
            ),
            19,
            "unknown table 'studdy' in the scenario; did you mean 'study'?",
        ),
        (STREAM.replace("load =", "laod ="), 15, "unknown key 'laod' in [requests]; did you mean 'load'?"),
        (asking(STREAM, 'kind = "load"\ndevices = [3]'), 19, "has no 'loads'"),
        (asking(STREAM, 'kind = "throughput"'), 19, "needs one target"),
        (asking(STREAM, 'kind = "throughput"\nmean = "1s"\np95 = "1s"'), 19, "needs one target"),
        (asking(STREAM, 'kind = "hour"'), 20, "a stream of [requests] has none"),
        (asking(FLEET, 'kind = "hour"'), 25, "a bad hour needs links that change"),
        (FLEET.replace("count", "cuont"), 15, "unknown key 'cuont' in [[devices]]; did you mean 'count'?"),
        (FLEET.replace('up = "150kB"', 'upp = "150kB"'), 19, "unknown key"),
        (FLEET.replace('up = "150kB"', 'up = "150"'), 19, "up: '150' is not a size"),
        (FLEET.replace('device = "200ms"', 'device = "-1s"'), 20, "device: '-1s' is not a duration"),
        (FLEET.replace("count = 40", "count = 40\ncut = 'sever'"), 16, "did you mean 'server'?"),
        (FLEET.replace('pause = "500ms"', ""), 13, "either 'pause'"),
        (FLEET.replace('pause = "500ms"', 'pause = "1s"\nevery = "1s"'), 13, "either 'pause'"),
        (FLEET.replace("up=20Mbit/s,down=56Mbit/s,rtt=10ms", "wify"), 17, "link: 'wify' is no link"),
        (FLEET.replace("  { device =", "  { devce ="), 21, "unknown key 'devce'"),
        (FLEET + "plan = 'p.json'\n", 13, "either 'cuts'"),
        (FLEET.replace("count = 40", "count = 40\nheeds_load = 1"), 16, "heeds_load: 1 is neither true nor false"),
        (FLEET + FLEET[FLEET.index("[[devices]]") :], 23, "two groups are called 'phones'"),
        (FLEET.replace("workers = 1", "batch = {}"), 11, "do not batch"),
        (NAMED.replace("alexnet", "alexnt"), 18, "network: no network is called 'alexnt'; did you mean alexnet"),
        (
            NAMED.replace("tesla-k40", "tesla-k4"),
            20,
            "server: no machine is called 'tesla-k4'; did you mean 'tesla-k40'",
        ),
        (NAMED.replace("device =", "devce ="), 19, "unknown key 'devce' in [[devices]]; did you mean 'device'?"),
        (HOUR.replace("10s", "4s"), 23, "changes must follow each other in time"),
        (asking(HOUR.replace(BACK, ""), 'kind = "hour"'), 26, "to become as before"),
        (
            asking(HOUR.replace(BACK, '{ from = "10s", link = "lte" }'), 'kind = "hour"'),
            26,
            "the last of the 'changes' of phones is another link than its first",
        ),
        (asking(HOUR.replace(BACK, BACK.replace("10s", "20s")), 'kind = "hour"'), 26, "must be longer"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    found = complaint(tmp_path, text)
    assert said in found
    assert found.startswith(f" line {line}: " if line is not None else ": ")
    assert "\n" not in found


def test_what_is_no_toml_says_where(tmp_path: Path) -> None:
    assert "line 2" in complaint(tmp_path, "title = 'x'\nwrong\n")


def test_a_measured_service_varies_as_it_was_measured(tmp_path: Path) -> None:
    (tmp_path / "s.cdf").write_text("0 0\n0.001 0.5\n0.003 1\n")
    text = STREAM.replace('"10ms"', '"s.cdf"')
    assert "leave 'variation' out" in complaint(tmp_path, text)
    assert queue(read(tmp_path, text.replace("variation = 1.0", ""))).service.mean_s == pytest.approx(0.00125)


def test_a_file_that_is_named_and_wrong_says_so(tmp_path: Path) -> None:
    (tmp_path / "gaps.cdf").write_text("0 0\n0.001 half\n")
    found = complaint(tmp_path, STREAM.replace("load =", 'arrivals = "gaps.cdf"\nload ='))
    assert found.startswith(" line 15: arrivals: ")
    assert "gaps.cdf line 2" in found
    assert "cannot read" in complaint(tmp_path, STREAM.replace("load =", 'arrivals = "none.cdf"\nload ='))


def test_files_that_are_no_scenarios_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    with pytest.raises(ScenarioError, match=r"cannot read .*expected a scenario in TOML"):
        read_scenario(path)
    with pytest.raises(ScenarioError, match="not a regular file"):
        read_scenario(tmp_path)
    path.write_bytes(b"\xff")
    with pytest.raises(ScenarioError, match="not UTF-8"):
        read_scenario(path)
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ScenarioError, match="larger than"):
        read_scenario(path)


def test_errors_of_scenarios_are_errors_of_input() -> None:
    assert issubclass(ScenarioError, InputError)
    assert not issubclass(ScenarioError, LinkError)
