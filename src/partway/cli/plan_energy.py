"""Joules of a plan: what the device draws by meter or by constants, and what its radio draws.

Input: `--device-power`, `--radio`, `--tail`, the link's name, and what the device's document says of its watts. Output:
an `EnergyAccount`, which turns conditions into watts and says where every number comes from. Called by `partway plan`.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from partway.cli.options import as_argument
from partway.errors import InputError
from partway.link import Radio, parse_radio, radio_of
from partway.planning import Conditions, DeviceDraw, PowerDraw
from partway.prediction.energy import FittedPower
from partway.profiling.power import ConstantPower, parse_power
from partway.units import format_energy, format_power


def add_energy(parser: argparse.ArgumentParser) -> None:
    """Add the options that joules depend on."""
    group = parser.add_argument_group("energy of the device")
    group.add_argument(
        "--device-power",
        type=as_argument(parse_power),
        metavar="POWER",
        help="its watts, idle=2.7W,active=6.4W or a machine's name such as raspberry-pi-4; its profile's meter is "
        "taken before them, its datasheet after them",
    )
    group.add_argument(
        "--radio",
        type=as_argument(parse_radio),
        metavar="RADIO",
        help="its radio's watts, tx=1.2W,rx=1W,idle=0.5W or 3g, lte, wifi; a link's name implies them",
    )
    group.add_argument(
        "--tail",
        action="store_true",
        help="charge every offloaded request with the radio's wait for more after the answer, as one that comes alone",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyAccount:
    """Where joules come from.

    Attributes:
        power: the device's constants: the user's, or else those of its datasheet; None where there are neither.
        own: whether they are those of its datasheet.
        metered: what a meter told the device's profile; None without one. It goes before constants.
        radio: what the link's radio draws; None where nothing is known of it.
        tail: whether each offloaded request pays the radio's tail.
        slowdown: of an emulated device, which draws the same watts for longer.
    """

    power: ConstantPower | None
    own: bool
    metered: FittedPower | None
    radio: Radio | None
    tail: bool
    slowdown: float

    @classmethod
    def of(cls, arguments: argparse.Namespace, link: str, told: FittedPower | ConstantPower | None) -> "EnergyAccount":
        """The account that the arguments ask for.

        Args:
            arguments: of `add_energy`.
            link: as the user wrote it; a name implies a radio.
            told: what the device's document says of its watts.

        Raises:
            InputError: a radio or its tail is asked for where the rest is not known.
        """
        datasheet = told if isinstance(told, ConstantPower) else None
        account = cls(
            power=arguments.device_power or datasheet,
            own=arguments.device_power is None and datasheet is not None,
            metered=told if isinstance(told, FittedPower) else None,
            radio=arguments.radio or radio_of(link),
            tail=arguments.tail,
            slowdown=arguments.device_slowdown,
        )
        if arguments.radio is not None and not account.known:
            raise InputError(
                "--radio alone makes no joules: nothing says what the rest of the device draws; add for instance "
                "--device-power idle=2.7W,active=6.4W"
            )
        if account.tail and not account.known:
            raise InputError(
                "--tail charges joules, and nothing says what the device draws; add for instance "
                "--device-power idle=2.7W,active=6.4W"
            )
        if account.tail and account.radio is None:
            raise InputError("--tail needs a radio, and the link's name implies none; add for instance --radio lte")
        if account.tail and account.radio is not None and not account.radio.tail:
            raise InputError("--tail was given, and the radio has none; add it to the radio, for instance ,tail=3s")
        return account

    @property
    def known(self) -> bool:
        """Whether anything says what heads draw."""
        return self.power is not None or self.metered is not None

    def draw(self, conditions: Conditions) -> PowerDraw | None:
        """What the device draws while it does not compute; None where nothing is known of it.

        Raises:
            LinkError: the radio's watts have no meaning at these rates.
        """
        return None if self.device_draw is None else self.device_draw.at(conditions)

    @property
    def device_draw(self) -> DeviceDraw | None:
        """The same at any rates."""
        if self.radio is None or not self.known:
            return None
        return DeviceDraw.of(self.radio, device_idle_w=self.idle_w, tail=self.tail)

    @property
    def idle_w(self) -> float:
        """What the device draws beside its radio while it waits; 0 where nothing says."""
        return 0.0 if self.power is None else self.power.idle_w

    @property
    def active_w(self) -> float | None:
        """What it draws while it computes, whatever it computes; None where nothing says."""
        if self.metered is not None:
            return self.metered.common_w
        return None if self.power is None else self.power.active_w

    def device_source(self) -> str | None:
        """Where the joules of heads come from, in words; None where there are none."""
        emulated = f"; EMULATED {self.slowdown:g}x slower at the same watts" if self.slowdown != 1.0 else ""
        if self.metered is not None:
            return f"predicted from the meter {self.metered.meter} of the device's profile{emulated}"
        if self.power is None:
            return None
        return (
            f"not metered: constant watts of {_name(self.power)}, active {format_power(self.power.active_w)}, "
            f"idle {format_power(self.power.idle_w)} (source: {self.power.source}){emulated}"
        )

    def notes(self, *, analytic: bool = False) -> Iterator[str]:
        """What the reader must know of the joules.

        Args:
            analytic: whether both machines are known by datasheets, as in `partway reproduce`.
        """
        source = self.device_source()
        if source is None:
            return
        yield f"joules of the device: {source}"
        if self.metered is None and self.power is not None and self.power.name != "given" and not self.own:
            name = self.power.name
            yield f"watts are of {name}, seconds of the device that is planned for: for its own joules give its profile"
        if self.metered is not None:
            yield self._idle_note(self.metered)
        if self.radio is None:
            yield "what the link's radio draws is not known, so only the device alone has joules; add --radio"
        else:
            tail = f"; every offloaded request pays its tail, {format_energy(self.radio.tail_j)}" if self.tail else ""
            yield f"joules of the radio: not metered: {self.radio.source}{tail}"
            if analytic and self.idle_w:
                yield (
                    f"the device's idle {format_power(self.idle_w)} count while it sends and waits; `partway "
                    "reproduce` leaves them out, as the paper's algorithm does, so its joules are fewer"
                )

    def document(self) -> dict[str, object] | None:
        """The same for JSON; None where nothing says what heads draw."""
        if not self.known:
            return None
        power = self.power
        return {
            "device_how": "constant" if self.metered is None else "metered",
            "device_source": self.device_source(),
            "device_active_w": None if power is None or self.metered is not None else power.active_w,
            "device_idle_w": None if power is None else power.idle_w,
            "device_assumed": power is not None and power.assumed,
            "radio_how": None if self.radio is None else "constant",
            "radio_source": None if self.radio is None else self.radio.source,
            "tail_charged": self.tail,
        }

    def _idle_note(self, metered: FittedPower) -> str:
        if self.power is None:
            return (
                "the device's watts while it waits are not known and count as 0, which favours offloading; add "
                "--device-power idle=2.7W,active=6.4W, of which the idle watts will count"
            )
        return (
            f"while it waits the device draws constant watts of {_name(self.power)}, "
            f"{format_power(self.power.idle_w)}, which may not be of what {metered.meter} meters "
            f"(source: {self.power.source})"
        )


def _name(power: ConstantPower) -> str:
    return "the given machine" if power.name == "given" else power.name
