"""Who still has to be asked about which key, while several sources answer at once. No I/O; for one event loop.

A key goes to the source the plan names first, then along its route while sources do not know it. It leaves the board
with the first answer that holds what was wanted, so nobody else is asked. A key that a source with poorer answers knew
stays open only for those that could say more. Of what waits for a source the keys that promise most go first, whether
it is the first to be asked or others did not know them: a heavy key does not queue behind light ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush

import numpy as np

from polyledger.domain.records import Kind
from polyledger.sync.stages import Route, Stage

_OPEN, _HALF, _DONE = 0, 1, 2


class _Lane:
    """The keys of one kind."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.keys: list[str] = [str(key) for key in route.keys]
        self.position = {key: place for place, key in enumerate(self.keys)}
        self.state = np.zeros(len(self.keys), np.int8)
        self.asked = np.zeros((len(route.sources), len(self.keys)), np.bool_)
        self.lost = np.zeros((len(route.sources), len(self.keys)), np.bool_)
        self.holder = route.first.astype(np.int8).copy()
        self.state[self.holder < 0] = _DONE
        self._ranks = [route.ranks_for(place) for place in range(len(route.sources))]
        self._keys_by_rank = [np.argsort(ranks) for ranks in self._ranks]
        self.waiting: list[list[int]] = [[] for _ in route.sources]  # heaps of ranks
        self.under_way: list[set[int]] = [set() for _ in route.sources]
        self.closed = [False] * len(route.sources)

    def place_of(self, source: str) -> int | None:
        return self.route.sources.index(source) if source in self.route.sources else None

    def put(self, place: int, keys: Iterable[int]) -> None:
        """Let keys wait for the source at `place`."""
        ranks, heap = self._ranks[place], self.waiting[place]
        for key in keys:
            heappush(heap, int(ranks[key]))

    def begin(self, place: int, keys: Sequence[int]) -> None:
        """As `put`, for many keys while nothing waits."""
        self.waiting[place] += self._ranks[place][np.asarray(keys, np.int64)].tolist()
        heapify(self.waiting[place])

    def pop(self, place: int) -> int:
        """The key that promises most of those that wait for the source at `place`."""
        return int(self._keys_by_rank[place][heappop(self.waiting[place])])

    def left(self, place: int) -> list[int]:
        """All keys that wait for the source at `place`, in order."""
        return [int(self._keys_by_rank[place][rank]) for rank in sorted(self.waiting[place])]

    def next_place(self, key: int) -> int | None:
        """The next source on the key's way that may be asked and has not been."""
        half = self.state[key] == _HALF
        for place in range(len(self.route.sources)):
            if self.asked[place, key] or self.lost[place, key] or not self.route.allowed[place, key]:
                continue
            if half and not self.route.complete[place]:
                continue
            return place
        return None

    def pass_on(self, key: int) -> None:
        """Hand a key that is still open to whoever is next, or let it go."""
        while (place := self.next_place(key)) is not None:
            if not self.closed[place]:
                self.holder[key] = place
                self.put(place, [key])
                return
            self.lost[place, key] = True
        self.holder[key] = -1


class Board:
    """The open keys of a round.

    Args:
        routes: by kind.
        stages: of the plan: which keys wait for which source at first.
    """

    def __init__(self, routes: Mapping[Kind, Route], stages: Sequence[Stage]) -> None:
        self._lanes = {kind: _Lane(route) for kind, route in routes.items()}
        for stage in stages:
            if stage.kind is None or stage.kind not in self._lanes:
                continue
            lane = self._lanes[stage.kind]
            place = lane.place_of(stage.source)
            if place is not None:
                lane.begin(place, stage.positions.tolist())

    def take(self, source: str, kind: Kind, most: int) -> list[str]:
        """Up to `most` keys that `source` is to be asked about now, in order; they are under way from here on."""
        lane = self._lanes.get(kind)
        place = None if lane is None else lane.place_of(source)
        if lane is None or place is None:
            return []
        taken: list[str] = []
        queue = lane.waiting[place]
        while queue and len(taken) < most:
            key = lane.pop(place)
            if lane.state[key] == _DONE or lane.holder[key] != place:
                continue  # answered meanwhile
            lane.under_way[place].add(key)
            taken.append(lane.keys[key])
        return taken

    def position(self, kind: Kind, key: str) -> int | None:
        """The place of a key among those of its kind, as in the route."""
        lane = self._lanes.get(kind)
        return None if lane is None else lane.position.get(key)

    def waiting(self, source: str, kind: Kind) -> int:
        """How many keys wait for `source`, at most."""
        lane = self._lanes.get(kind)
        place = None if lane is None else lane.place_of(source)
        return 0 if lane is None or place is None else len(lane.waiting[place])

    def answered(self, source: str, kind: Kind, key: str) -> None:
        """`source` knew the key."""
        lane, place, position = self._under_way(source, kind, key)
        if lane is None or position is None:
            return
        if lane.route.complete[place]:
            lane.state[position] = _DONE
        elif lane.state[position] == _OPEN:
            lane.state[position] = _HALF
        if lane.state[position] != _DONE:
            lane.pass_on(position)

    def unknown(self, source: str, kind: Kind, key: str) -> None:
        """`source` was asked and did not know the key, or its answer could not be used: the next one is asked."""
        lane, _, position = self._under_way(source, kind, key)
        if lane is not None and position is not None and lane.state[position] != _DONE:
            lane.pass_on(position)

    def known_already(self, kind: Kind, keys: Iterable[str]) -> list[str]:
        """These keys have been answered by other means; those of them that were still open and not under way."""
        lane = self._lanes.get(kind)
        closed: list[str] = []
        if lane is None:
            return closed
        for key in keys:
            position = lane.position.get(key)
            if position is None or lane.state[position] == _DONE:
                continue
            lane.state[position] = _DONE
            if not any(position in taken for taken in lane.under_way):
                closed.append(key)
        return closed

    def is_first(self, source: str, kind: Kind, key: str) -> bool:
        """Whether the plan has `source` asked before all others about the key."""
        lane = self._lanes[kind]
        return bool(lane.route.first[lane.position[key]] == lane.place_of(source))

    def give_back(self, source: str, kind: Kind, keys: Iterable[str]) -> None:
        """Keys that were taken, and for which no answer came: they wait again."""
        lane = self._lanes[kind]
        place = lane.route.sources.index(source)
        back = [lane.position[key] for key in keys if lane.position[key] in lane.under_way[place]]
        lane.under_way[place].difference_update(back)
        lane.put(place, back)

    def settle(self, source: str, kind: Kind, keys: Iterable[str]) -> None:
        """The look-up of these keys has ended; those without an answer count as unknown to `source`."""
        lane = self._lanes[kind]
        place = lane.route.sources.index(source)
        for key in keys:
            if lane.position[key] in lane.under_way[place]:
                self.unknown(source, kind, key)

    def close(self, source: str, kind: Kind | None = None) -> None:
        """`source` is asked nothing more (of this kind): what waits for it goes to the next ones."""
        for each, lane in self._lanes.items():
            place = lane.place_of(source)
            if place is None or (kind is not None and each is not kind) or lane.closed[place]:
                continue
            lane.closed[place] = True
            left = [*lane.under_way[place], *lane.left(place)]
            lane.under_way[place].clear()
            lane.waiting[place].clear()
            for position in left:
                if lane.state[position] != _DONE and lane.holder[position] == place:
                    lane.lost[place, position] = True
                    lane.pass_on(position)

    def may_come(self, source: str, kind: Kind) -> bool:
        """Whether keys may still come to `source` from others that are being asked or are to be asked."""
        lane = self._lanes.get(kind)
        place = None if lane is None else lane.place_of(source)
        if lane is None or place is None or lane.closed[place]:
            return False
        return any(
            other != place and (lane.waiting[other] or lane.under_way[other])
            for other in range(len(lane.route.sources))
        )

    @property
    def is_idle(self) -> bool:
        """Whether no source is being asked anything."""
        return not any(keys for lane in self._lanes.values() for keys in lane.under_way)

    def kinds_of(self, source: str) -> list[Kind]:
        """The kinds for which `source` is on the way."""
        return [kind for kind, lane in self._lanes.items() if lane.place_of(source) is not None]

    def missed(self, source: str) -> int:
        """Keys that `source` should have been asked about, was not because it was closed, and nobody else answered."""
        count = 0
        for lane in self._lanes.values():
            place = lane.place_of(source)
            if place is not None:
                count += int((lane.lost[place] & (lane.state != _DONE)).sum())
        return count

    def unasked(self) -> int:
        """Keys that still wait or are under way."""
        return sum(int(((lane.state != _DONE) & (lane.holder >= 0)).sum()) for lane in self._lanes.values())

    def _under_way(self, source: str, kind: Kind, key: str) -> tuple[_Lane | None, int, int | None]:
        lane = self._lanes.get(kind)
        if lane is None:
            return None, 0, None
        place = lane.place_of(source)
        position = lane.position.get(key)
        if place is None or position is None:
            return None, 0, None
        lane.under_way[place].discard(position)
        lane.asked[place, position] = True
        return lane, place, position
