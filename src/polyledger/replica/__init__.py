"""A stand-in for all upstreams over real HTTP: it plays a recorded world, with their quirks and faults on demand."""

from polyledger.replica.app import build_app
from polyledger.replica.faults import Faults, load_faults, parse_faults
from polyledger.replica.server import serve, serve_forever
from polyledger.replica.world import World, load_world

__all__ = ["Faults", "World", "build_app", "load_faults", "load_world", "parse_faults", "serve", "serve_forever"]
