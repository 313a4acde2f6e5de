"""The pure decisions, by tables and by properties: delays, schedules, expressions, signatures."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inngest._internal import net, server_lib

from engine import backoff, cron, durations, expressions, flow, functions, ids, signing

NOW = datetime(2026, 11, 23, 13, 6, 25, tzinfo=UTC)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# -- when is the next attempt?


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [
        (0, 15),
        (1, 30),
        (2, 60),
        (3, 120),
        (4, 300),
        (5, 600),
        (6, 1200),
        (7, 2400),
        (8, 3600),
        (9, 7200),
        (19, 7200),
    ],
)
def test_delays_follow_the_table_with_up_to_half_a_minute_of_jitter(attempt: int, seconds: int) -> None:
    assert backoff.delay(attempt, chance=lambda: 0.0) == timedelta(seconds=seconds)
    assert backoff.delay(attempt, chance=lambda: 1.0) == timedelta(seconds=seconds + 30)
    assert backoff.delay(attempt, base=0.015, chance=lambda: 0.0) == timedelta(seconds=seconds / 1000)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("30", NOW + timedelta(seconds=30)),
        ("0", NOW + timedelta(seconds=1)),
        ("999999999", NOW + timedelta(hours=24)),
        ("2026-11-23T13:06:28.226Z", datetime(2026, 11, 23, 13, 6, 28, 226000, tzinfo=UTC)),
        ("2026-11-23T15:06:28+02:00", datetime(2026, 11, 23, 13, 6, 28, tzinfo=UTC)),
        ("2020-01-01T00:00:00Z", NOW + timedelta(seconds=1)),
        ("2040-01-01T00:00:00Z", NOW + timedelta(hours=24)),
        ("Mon, 23 Nov 2026 13:07:25 GMT", NOW + timedelta(minutes=1)),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_time_within_a_second_and_a_day(
    header: str, expected: datetime | None
) -> None:
    assert backoff.asked(header, NOW) == expected


@given(st.text(max_size=40))
def test_any_retry_after_is_a_time_within_bounds_or_nothing(header: str) -> None:
    at = backoff.asked(header, NOW)
    assert at is None or NOW + timedelta(seconds=1) <= at <= NOW + timedelta(hours=24)


# -- durations and schedules


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1s", timedelta(seconds=1)),
        ("1m30s", timedelta(seconds=90)),
        ("250ms", timedelta(milliseconds=250)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_durations_are_read(text: str, expected: timedelta) -> None:
    assert durations.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1y", "-1s", "1s ", "one hour", None, 5, ["1s"], "1s1", "9" * 400 + "s"]
)
def test_what_is_no_duration_is_refused_by_its_text(text: Any) -> None:
    with pytest.raises(durations.BadDurationError):
        durations.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    with contextlib.suppress(durations.BadDurationError):
        assert durations.parse(text) >= timedelta()


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("7,37 * * * *", "2026-11-23T13:06:25+00:00", "2026-11-23T13:07:00+00:00"),
        ("7,37 * * * *", "2026-11-23T13:07:00+00:00", "2026-11-23T13:37:00+00:00"),
        ("TZ=Africa/Johannesburg 0 6 * * *", "2026-11-23T13:06:25+00:00", "2026-11-24T04:00:00+00:00"),
        ("0 0 29 2 *", "2026-11-23T13:06:25+00:00", "2028-02-29T00:00:00+00:00"),
        # Central European time skips 02:30 on 28 March 2027 and has it twice on 31 October 2027.
        ("TZ=Europe/Berlin 30 2 * * *", "2027-03-28T00:00:00+00:00", "2027-03-28T01:00:00+00:00"),
        ("TZ=Europe/Berlin 30 2 * * *", "2027-10-30T12:00:00+00:00", "2027-10-31T00:30:00+00:00"),
        ("TZ=Europe/Berlin 30 2 * * *", "2027-10-31T00:30:00+00:00", "2027-11-01T01:30:00+00:00"),
    ],
)
def test_schedules_name_their_next_time(text: str, after: str, expected: str) -> None:
    found = cron.parse(text).after(datetime.fromisoformat(after))
    assert found == datetime.fromisoformat(expected)


@given(
    st.sampled_from(
        ["*/5 * * * *", "7,37 * * * *", "TZ=America/New_York 30 1 * * *", "0 12 1 * 1", "59 23 * * 5"]
    ),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),  # noqa: DTZ001
)
def test_a_schedules_next_time_lies_ahead_and_its_last_behind(text: str, moment: datetime) -> None:
    schedule = cron.parse(text)
    assert schedule.after(moment) > moment
    last = schedule.before(moment)
    assert last <= moment < schedule.after(last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "61 * * * *",
        "TZ=Mars/Olympus 0 0 * * *",
        "TZ= 0 0 * * *",
        "0 0 30 2 *",
        None,
        5,
    ],
)
def test_what_is_no_schedule_is_refused(text: Any) -> None:
    with pytest.raises(cron.BadScheduleError):
        cron.parse(text)


# -- expressions


@pytest.mark.parametrize(
    ("source", "event", "later", "expected"),
    [
        ("event.data.id == async.data.id", {"data": {"id": 1}}, {"data": {"id": 1}}, True),
        ("event.data.id == async.data.id", {"data": {"id": 1}}, {"data": {"id": 2}}, False),
        ("event.data.id == async.data.id", {"data": {}}, {"data": {"id": 2}}, False),
        ("event.data.x > 1", {"data": {"x": 2}}, None, True),
        ("event.data.x > 1", {"data": {"x": 1.5}}, None, True),
        ("event.data.x > 1", {"data": {"x": "2"}}, None, False),
        ("event.data.name.startsWith('a')", {"data": {"name": "abc"}}, None, True),
        ("event.data.list.exists(x, x == 3)", {"data": {"list": [1, 3]}}, None, True),
        ("has(event.data.x) && event.data.x", {"data": {"x": True}}, None, True),
        ("event.data.x", {"data": {"x": 1}}, None, False),
        ("event.name in ['a', 'b']", {"name": "b"}, None, True),
        ("event.data.deep.er.x == null", {"data": {"deep": {"er": {"x": None}}}}, None, True),
        # What is lacking is null …
        ("event.data.kind != 'test'", {"data": {}}, None, True),
        ("event.data.kind == 'test'", {"data": {}}, None, False),
        ("event.data.gone == null", {"data": {}}, None, True),
        ("event.data.deep.er.x == null && event.data['deep'].er != 1", {"data": {"deep": None}}, None, True),
        ("event.data.list[1].id != 'b'", {"data": {"list": [{"id": "a"}]}}, None, True),
        (
            "async.data.final == true || event.data.id == async.data.id",
            {"data": {"id": 1}},
            {"data": {"id": 1}},
            True,
        ),
        # … but equals nothing else that is lacking, has no size, and is not had.
        ("event.data.id == async.data.id", {"data": {}}, {"data": {}}, False),
        ("event.data.id != async.data.id", {"data": {}}, {"data": {}}, True),
        ("size(event.data.list) > 0", {"data": {}}, None, False),
        ("size(event.data.list) == 0", {"data": {"list": None}}, None, True),
        ("event.data.amount > 100", {"data": {}}, None, False),
        ("event.data.plan != 'pro' || event.data.amount < 300", {"data": {"plan": "pro"}}, None, True),
        ("event.data.amount <= 0 && -5 < event.data.amount", {"data": {"amount": None}}, None, True),
        ("0 <= event.data.amount", {"data": {}}, None, False),
        ("event.data.since < '2024' && event.data.name >= 'a'", {"data": {"name": "b"}}, None, True),
        ("'2024' < event.data.since", {"data": {}}, None, False),
        ("event.data.name.startsWith('')", {"data": {}}, None, False),
        ("has(event.data.x)", {"data": {}}, None, False),
        ("!has( event.data['x'].y ) || event.data.x.y == 1", {"data": {}}, None, True),
        # What only looks like an attribute stays as it is.
        ("event.data.said == 'event.data.x'", {"data": {"said": "event.data.x"}}, None, True),
        ("event.data.event.async == 1", {"data": {"event": {"async": 1}}}, None, True),
        (
            "event.data.list.all(event_id, event_id > event.data.size)",
            {"data": {"list": [2], "size": 1}},
            None,
            True,
        ),
    ],
)
def test_an_expression_matches_what_it_says(source: str, event: Any, later: Any, expected: bool) -> None:
    assert expressions.matches(expressions.check(source), event, later) is expected


@pytest.mark.parametrize(
    "source",
    [
        "",
        "   ",
        "event.data.a ====",
        "1 +",
        "user.id == 1",
        "event.data[",
        "(" * 60 + ")" * 60,
        None,
        7,
        "now() > event.data.at",
        "event.data.name.shout() == 'A'",
    ],
)
def test_a_bad_expression_is_refused_when_it_is_checked(source: Any) -> None:
    with pytest.raises(expressions.BadExpressionError):
        expressions.check(source)


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_refused(source: str) -> None:
    with contextlib.suppress(expressions.BadExpressionError):
        assert expressions.check(source) == source


@given(json_values)
def test_an_expression_never_raises_whatever_the_data(value: Any) -> None:
    event = {"data": value, "name": "x"}
    assert expressions.matches("event.data.a.b == 1", event) in {True, False}
    assert isinstance(expressions.key("event.data.a", event), str)
    assert isinstance(expressions.number("event.data", event), int)


def test_keys_of_different_values_differ_and_of_equal_ones_do_not() -> None:
    keys = [
        expressions.key("event.data.k", {"data": {"k": each}})
        for each in ("a", "b", 1, 2, None, [1], {"x": 1})
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == expressions.key("event.data.k", {"data": {"k": "a"}, "name": "other"})


def test_a_key_may_be_put_together_from_what_is_no_text() -> None:
    source = "event.data.org + '-' + event.data.number + '-' + event.data.part"

    def key(**data: Any) -> str:
        return expressions.key(source, {"data": data})

    assert key(org="o", number=5, part=True) == "o-5-true"
    assert key(org="o", number=6) == "o-6-"


# -- registration


def configuration(**changes: Any) -> dict[str, Any]:
    """A function as an SDK registers it, with changes."""
    step = {
        "id": "step",
        "name": "step",
        "retries": {"attempts": 3},
        "runtime": {"type": "http", "url": "http://127.0.0.1:9/api/inngest?fnId=app-f&stepId=step"},
    }
    return {"id": "app-f", "name": "f", "triggers": [{"event": "e"}], "steps": {"step": step}, **changes}


def with_step(**changes: Any) -> dict[str, Any]:
    made = configuration()
    made["steps"]["step"].update(changes)
    return made


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (configuration(triggers=None), "trigger"),
        (configuration(triggers=[{"cron": "61 * * * *"}]), "61"),
        (configuration(triggers=[{"event": "e", "expression": "a ="}]), "expression"),
        (configuration(triggers=[{"event": ""}]), "event"),
        (configuration(concurrency=[{"limit": 1}] * 3), "two"),
        (configuration(concurrency=[{"limit": -1}]), "-1"),
        (configuration(concurrency="many"), "malformed"),
        (configuration(concurrency=[{"limit": 1, "scope": "galaxy"}]), "galaxy"),
        (configuration(concurrency=[{"limit": 1, "key": "nobody.id"}]), "nobody"),
        (configuration(throttle={"limit": 0, "period": "1m"}), "0"),
        (configuration(throttle={"limit": 1, "period": "soon"}), "soon"),
        (configuration(rateLimit={"limit": 1, "period": "10ms"}), "second"),
        (configuration(batchEvents={"maxSize": 0, "timeout": "1s"}), "0"),
        (configuration(batchEvents={"maxSize": 10, "timeout": "x"}), "x"),
        (configuration(debounce={"period": ""}), "''"),
        (configuration(singleton={"mode": "replace"}), "replace"),
        (configuration(cancel=[{"event": "c", "if": "event.data.id ="}]), "expression"),
        (configuration(priority={"run": "1 +"}), "expression"),
        (configuration(idempotency="bad ("), "expression"),
        (configuration(timeouts={"finish": "never"}), "never"),
        (configuration(realtime={"topics": ["x"]}), "realtime"),
        (configuration(steps={}), "step"),
        (with_step(retries={"attempts": 21}), "21"),
        (with_step(retries={"attempts": -1}), "-1"),
        (with_step(runtime={"type": "ws", "url": "ws://x/"}), "Connect"),
        (with_step(runtime={"type": "http", "url": "ftp://x/"}), "HTTP"),
    ],
)
def test_a_configuration_that_cannot_be_kept_is_refused_with_function_and_fault(
    raw: dict[str, Any], words: str
) -> None:
    with pytest.raises(functions.RefusedError) as refusal:
        functions.parse("app", raw)
    assert "app-f" in str(refusal.value)
    assert words in str(refusal.value)


@given(st.dictionaries(st.sampled_from(sorted(functions._KNOWN)), json_values, max_size=6))
def test_any_configuration_is_read_or_refused(changes: dict[str, Any]) -> None:
    with contextlib.suppress(functions.RefusedError):
        assert functions.parse("app", configuration(**changes)).app == "app"


@pytest.mark.parametrize("written", [5, {"limit": 5}, [5], [{"limit": 5}]])
def test_a_concurrency_limit_may_be_a_bare_number(written: Any) -> None:
    assert functions.parse("app", configuration(concurrency=written)).concurrency == (
        functions.Concurrency(5),
    )


def test_a_steps_address_keeps_the_functions_query_as_it_is() -> None:
    url = "http://127.0.0.1:9/api/inngest?fnId=app-crazy%25%24%5E%26%2A%28_%2B%7B%7C%3A%3C%3F%E2%98%83&stepId=step"
    step = {"id": "step", "name": "step", "runtime": {"type": "http", "url": url}}
    function = functions.parse("app", configuration(steps={"step": step}))
    targeted = function.step_url("abc")
    assert "stepId=abc" in targeted
    assert "stepId=step" not in targeted
    assert parse_qs(urlsplit(targeted).query)["fnId"] == ["app-crazy%$^&*(_+{|:<?☃"]


# -- ids and signatures


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_ulids_sort_by_their_time(one: int, other: int) -> None:
    first, second = ids.ulid(one), ids.ulid(other)
    assert ids.is_ulid(first)
    assert len(first) == 26
    if one != other:
        assert (first < second) is (one < other)
    assert ids.ulid_floor(one) <= first


@given(st.text(max_size=40), st.integers(1, 5))
def test_any_seed_gives_ids_or_nothing(seed: str, count: int) -> None:
    found = ids.seeded(seed, count)
    assert found is None or (len(set(found)) == count and all(ids.is_ulid(each) for each in found))


@given(json_values, st.integers(0, 2**40))
def test_a_signature_holds_for_its_body_key_and_time_only(value: Any, stamp: int) -> None:
    body = orjson.dumps({"x": value})
    key, other = "signkey-test-" + "ab" * 16, "signkey-test-" + "cd" * 16
    header = signing.sign(signing.canonical(body), key, stamp)
    assert signing.verify(body, header, [key], stamp + 10)
    assert signing.verify(body, header, [other, key], stamp)
    assert not signing.verify(body, header, [other], stamp)
    assert not signing.verify(body, header, [key], stamp + 301)
    assert not signing.verify(body + b" 1", header, [key], stamp)


@given(st.text(max_size=120))
def test_any_signature_header_is_judged(header: str) -> None:
    assert signing.verify(b"{}", header, ["signkey-test-ab"], 1.0) is False
    assert signing.bearer_is_known(header, ["signkey-test-ab"]) is False


@given(json_values)
def test_our_signature_is_the_sdks(value: Any) -> None:
    key = "signkey-test-" + "ab" * 16
    sent = orjson.dumps({"b": value, "a": "\u2603", "c": [1e21, 0.1, -0.0, 100]})
    accepted = net.validate_request_sig(
        body=sent,
        headers={"x-inngest-signature": signing.sign(signing.canonical(sent), key, 1_795_439_734)},
        mode=server_lib.ServerKind.CLOUD,
        signing_key=key,
        signing_key_fallback=None,
    )
    assert accepted == key


# -- may this run start?


def arrivals(gaps: list[int], *, emission: timedelta, burst: int) -> list[bool]:
    """What a limiter says to arrivals that come so many milliseconds after each other."""
    tat: datetime | None = None
    now, said = NOW, []
    for gap in gaps:
        now += timedelta(milliseconds=gap)
        turn = flow.gcra(tat, now, emission=emission, burst=burst)
        said.append(turn.allowed)
        if turn.allowed:
            tat = turn.tat
    return said


@pytest.mark.parametrize(
    ("gaps", "burst", "expected"),
    [
        ([0, 0, 0], 1, [True, False, False]),
        ([0, 999, 1], 1, [True, False, True]),
        ([0, 1000, 1000], 1, [True, True, True]),
        ([0, 0, 0, 0], 3, [True, True, True, False]),
        ([0, 0, 0, 1000, 0], 3, [True, True, True, True, False]),
        ([0, 0, 0, 60_000, 0, 0, 0], 3, [True, True, True, True, True, True, False]),
    ],
)
def test_a_limiter_lets_one_through_per_interval_and_a_burst_after_a_pause(
    gaps: list[int], burst: int, expected: list[bool]
) -> None:
    assert arrivals(gaps, emission=timedelta(seconds=1), burst=burst) == expected


@pytest.mark.parametrize("burst", [1, 3])
def test_a_limiter_starts_anew_when_the_clock_was_set_back(burst: int) -> None:
    emission = timedelta(seconds=1)
    last = flow.gcra(None, NOW, emission=emission, burst=burst).tat
    assert flow.gcra(last, NOW - timedelta(hours=1), emission=emission, burst=burst).allowed


def test_a_limiter_stays_full_for_a_process_whose_clock_is_a_little_behind() -> None:
    hourly = functions.RateLimit(limit=1, period=timedelta(hours=1))
    last = flow.rate_limit(hourly, None, NOW).tat
    assert not flow.rate_limit(hourly, last, NOW - timedelta(milliseconds=50)).allowed


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60), st.integers(1, 5))
def test_no_window_sees_more_than_the_limiter_allows(gaps: list[int], burst: int) -> None:
    said = arrivals(gaps, emission=timedelta(seconds=1), burst=burst)
    at, moments = 0, []
    for gap, allowed in zip(gaps, said, strict=True):
        at += gap
        if allowed:
            moments.append(at)
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            assert last - first + 1 <= burst + (moments[last] - moments[first]) / 1000


@given(st.integers(0, 5000), st.integers(1, 5))
def test_who_is_turned_away_is_told_when_to_come_again(gap: int, burst: int) -> None:
    tat = NOW + timedelta(milliseconds=gap)
    emission = timedelta(seconds=1)
    turn = flow.gcra(tat, NOW, emission=emission, burst=burst)
    if not turn.allowed:
        assert flow.gcra(tat, turn.again_at, emission=emission, burst=burst).allowed
