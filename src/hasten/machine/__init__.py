"""What we run on: instruction sets, memory and threads as read, and the rates of work as measured.

    facts()     what can be read in milliseconds: a `Machine` without peaks
    measure()   facts and peaks, measured now, in 30 s or (quick) 5 s
    load_cached()    the same from the cache, or measured and kept there
    store_cached()  keep a measured machine in the cache

A peak that was not steady is marked (`stable=False`): `Machine.peak()` passes it over and no remark builds on it.
"""

from hasten.machine.cache import load_cached, store_cached
from hasten.machine.facts import facts
from hasten.machine.measurement import measure

__all__ = ["facts", "load_cached", "measure", "store_cached"]
