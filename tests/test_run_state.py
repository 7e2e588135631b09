"""What a run says of itself while it works, from its events."""

from __future__ import annotations

import threading

from polyledger.sync.run_state import RunState


def line(state: RunState, source: str) -> dict[str, object]:
    (found,) = [entry for entry in state.sources() if entry["source"] == source]
    return found


def test_an_event_fills_the_line_of_its_source_and_what_it_does_not_mention_stays() -> None:
    state = RunState("sync", "r1")
    state.update({"stage": "gamma", "done": 10, "total": 50, "unit": "markets", "found": 7, "not_found": 3})
    state.update({"stage": "gamma", "done": 20, "unit": "markets", "limited": True})
    assert line(state, "gamma") | {"per_second": 0, "eta_seconds": 0} == {
        "source": "gamma",
        "done": 20,
        "total": 50,
        "found": 7,
        "open": 0,
        "not_found": 3,
        "failed": 0,
        "limited": True,
        "unit": "markets",
        "per_second": 0,
        "eta_seconds": 0,
    }


def test_rates_are_those_of_the_event_else_measured() -> None:
    state = RunState("sync")
    state.update({"stage": "chain", "done": 5, "total": 10, "unit": "blocks", "rate": 2.5, "eta_seconds": 2.0})
    assert (line(state, "chain")["per_second"], line(state, "chain")["eta_seconds"]) == (2.5, 2.0)
    for done in (10, 20):
        state.update({"stage": "clob", "done": done, "total": 100, "unit": "markets"})
    rate, left = line(state, "clob")["per_second"], line(state, "clob")["eta_seconds"]
    assert isinstance(rate, float)
    assert rate > 0
    assert left == 80 / rate
    state.update({"stage": "clob", "done": 1, "total": 9, "unit": "events"})  # other work under the same name
    assert line(state, "clob")["per_second"] is None
    state.update({"stage": "clob", "done": 9, "total": 9, "unit": "events"})
    assert line(state, "clob")["eta_seconds"] == 0


def test_stages_of_one_source_share_its_line() -> None:
    state = RunState("sync")
    state.update({"stage": "walk", "source": "clob", "done": 1, "total": 2})
    state.update({"stage": "look-ups", "source": "clob", "done": 2, "total": 2})
    assert [entry["source"] for entry in state.sources()] == ["clob"]


def test_the_last_messages_are_kept_and_running_ones_replace_each_other() -> None:
    state = RunState("sync")
    state.update({"stage": "gamma", "message": "gamma is down"})
    for logs in range(100):
        state.update({"stage": "chain", "done": logs, "total": 100, "message": f"{logs} logs"})
    assert [entry["message"] for entry in state.messages()] == ["gamma is down", "99 logs"]
    for number in range(100):
        state.update({"stage": "chain", "message": f"retry {number}"})
    assert state.messages()[-1]["message"] == "retry 99"
    assert len(state.messages()) == 20


def test_what_is_read_is_a_copy() -> None:
    state = RunState("sync")
    coverage = {"trades": {"total": 1}}
    state.covered(coverage)
    state.update({"stage": "plan", "projected": coverage})
    coverage["trades"]["total"] = 2
    state.coverage()["trades"]["total"] = 3
    assert state.coverage() == state.projected() == {"trades": {"total": 1}}


def test_many_threads_feed_it_at_once() -> None:
    state = RunState("sync")

    def feed(name: str) -> None:
        for done in range(500):
            state.update({"stage": name, "done": done, "total": 500})
            state.sources()

    threads = [threading.Thread(target=feed, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(entry["source"], entry["done"]) for entry in state.sources()} == {(f"s{n}", 499) for n in range(4)}
