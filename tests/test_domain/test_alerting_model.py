"""Whatever happens in whatever order, the promises hold. Each is checked against a log that the
test keeps by itself, not against what the engine remembers."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mltrading.domain.alerting.notices import Queued
from mltrading.domain.alerting.rules import DEFAULT_RULES, by_name
from mltrading.domain.alerting.silences import Silence, parse_matchers
from mltrading.domain.alerting.states import LONGEST_GAP_SECONDS, Value
from mltrading.utils.message import Destination
from tests.test_domain.alerts_made import PAGER, TEAM, Simulation

RULES = by_name(DEFAULT_RULES)
REPEATS = {"critical": 3_600, "warning": 14_400}
NAMES = [one.name for one in DEFAULT_RULES]
VALUES = st.sampled_from(
    [Value.TRUE, Value.TRUE, Value.TRUE, Value.FALSE, Value.NODATA, Value.ERROR]
)
PAUSES = st.sampled_from([1, 14, 15, 15, 15, 60, 240, 299, 300, 301, 1_800, 20_000])


class Alerting(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = Simulation()
        self.log: dict[str, list[tuple[datetime, Value | None]]] = defaultdict(list)
        self.history: dict[tuple[Destination, str], list[tuple[datetime, Queued]]] = defaultdict(
            list
        )
        self.taken_out: set[str] = set()
        self.found: dict[str, Value] = {}

    @initialize(found=st.fixed_dictionaries({name: VALUES for name in NAMES}))
    def begin(self, found: dict[str, Value]) -> None:
        self.found = found

    @rule(name=st.sampled_from(NAMES), value=VALUES)
    def changes(self, name: str, value: Value) -> None:
        self.found[name] = value

    @rule(pause=PAUSES, times=st.integers(1, 64))
    def evaluate(self, pause: int, times: int) -> None:
        for _ in range(times if pause <= 60 else 1):
            self.world.pass_seconds(pause)
            self._turn()

    @rule()
    def look_when_it_asks(self) -> None:
        if self.world.look_at is not None:
            self.world.now = self.world.look_at
            self._turn()

    @rule(
        text=st.sampled_from(["AppDown", "severity=warning", "rule=Error*"]),
        hours=st.integers(1, 5),
    )
    def silence(self, text: str, hours: int) -> None:
        now = self.world.now
        self.world.silence_with(
            Silence("1", parse_matchers(text), "a", "b", now, now + timedelta(hours=hours))
        )

    @rule(name=st.sampled_from(NAMES), out=st.booleans())
    def edit_the_file(self, name: str, out: bool) -> None:
        (self.taken_out.add if out else self.taken_out.discard)(name)
        self.world.rules = [one for one in DEFAULT_RULES if one.name not in self.taken_out]

    def _turn(self) -> None:
        found = {name: value for name, value in self.found.items() if name not in self.taken_out}
        for name in NAMES:  # None: there is no such rule, which ends whatever it found before
            self.log[name].append((self.world.now, found.get(name)))
        for queued in self.world.turn(found):
            self._check(queued, found)

    def _check(self, queued: Queued, found: dict[str, Value]) -> None:
        message, now = queued.message, self.world.now
        name = message.title.split()[1].rstrip(":")
        sent = self.history[queued.destination, message.key]
        open_now = bool(sent) and not sent[-1][1].message.resolved
        if message.resolved:
            assert open_now, "an end without a beginning"
            assert queued.opened_id == sent[-1][1].opened_id
            known = name in NAMES and name not in self.taken_out
            assert not known or self._was(name, {Value.FALSE}, 120), "ended too early"
        elif message.id == queued.opened_id:
            assert not open_now, "a second incident of one key"
            if name in NAMES:
                assert self._goes_on(name), "sent though it does not go on"
                assert name == "AppDown" or not self._firing("AppDown"), "sent though muted"
            assert not any(
                one.mutes({"rule": name, "severity": message.severity}, now)
                for one in self.world.book.silences
            ), "sent though silenced"
        else:
            assert open_now and queued.destination != PAGER
            pause = (now - sent[-1][0]).total_seconds()
            least = 300 if " over" in message.title else REPEATS[message.severity]
            assert pause >= least, "sent too often"
        sent.append((now, queued))

    def _goes_on(self, name: str) -> bool:
        """Whether it is true now, and was once true for long enough and not over since. So what
        fired while it was muted is told late, and then at once."""
        true = {Value.TRUE, Value.NODATA} if name == "AppDown" else {Value.TRUE}
        log = self.log[name]
        if log[-1][1] not in true:
            return False
        for newest in range(len(log) - 1, -1, -1):
            value = log[newest][1]
            if value is None or self._was(name, {Value.FALSE}, RULES[name].keep_seconds, newest):
                return False
            if value in true and self._was(name, true, RULES[name].for_seconds, newest):
                return True
        return False

    def _was(self, name: str, values: set[Value], seconds: float, newest: int = -1) -> bool:
        """Whether it was found so at every evaluation of the last `seconds` before the newest,
        without a gap. An evaluation that failed is one that was not made."""
        log = self.log[name]
        end = later = log[newest][0]
        for at, value in reversed(log[: len(log) if newest == -1 else newest + 1]):
            if value is Value.ERROR:
                if Value.FALSE in values:
                    return False
                continue
            if value not in values or (later - at).total_seconds() > LONGEST_GAP_SECONDS:
                return False
            later = at
            if (end - at).total_seconds() >= seconds:
                return True
        return False

    def _firing(self, name: str) -> bool:
        return any(one.rule == name and one.open for one in self.world.book.alerts.values())

    @invariant()
    def those_who_were_told_are_known(self) -> None:
        told = {(one.destination, one.opened_id) for one in self.world.book.told}
        begun = {
            (destination, sent[-1][1].opened_id)
            for (destination, _), sent in self.history.items()
            if not sent[-1][1].message.resolved
        }
        assert told == begun

    def teardown(self) -> None:
        """Once all is well, everybody who was told of something hears that it is over."""
        self.world.silence_with()
        self.found = dict.fromkeys(NAMES, Value.FALSE)
        for _ in range(12):
            self.world.pass_seconds(15)
            self._turn()
        assert self.world.book.told == ()
        assert all(sent[-1][1].message.resolved for sent in self.history.values())


TestAlerting = Alerting.TestCase
TestAlerting.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


def test_what_fired_unheard_is_told_once_the_rule_that_muted_it_is_taken_out() -> None:
    """A sequence that the machine found: everything is true, AppDown mutes the rest, the warnings
    fire, and nobody looks for most of an hour, in which AppDown leaves the file."""
    machine = Alerting()
    machine.begin(dict.fromkeys(NAMES, Value.TRUE))
    machine.evaluate(14, 44)
    machine.look_when_it_asks()
    assert machine.world.alert("MemoryHigh").muted_by == "AppDown"
    assert (TEAM, machine.world.alert("MemoryHigh").key) not in machine.history
    machine.edit_the_file("AppDown", True)
    machine.look_when_it_asks()
    told = {sent[0][1].message.title.split()[1].rstrip(":") for sent in machine.history.values()}
    assert told == {"AppDown", "DatabaseDown", "MemoryHigh", "CpuHigh", "DiskLow"}
    machine.those_who_were_told_are_known()
    machine.teardown()
