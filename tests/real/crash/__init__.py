"""The crash rig: what it takes to end bellboard at any moment and to tell afterwards whether anything was lost.

`world` makes stores with accounts and destinations; `receiver` stands for all destinations and notes what arrives; `ledger`
notes what was acknowledged; `drive` hands events in by HTTP, `ingest` and `emit` and carries out a round; `invariants` compares
the file with both; `faults` loads `fault.c` into the program, which forgets what was not synced, fails writes and sets clocks.

The tests are the files test_crash*.py beside this folder. By hand, a thousand kills: `BELLBOARD_CRASH_ROUNDS=1000 tests/run
real crash`; BELLBOARD_CRASH_CALLS=200 fails that many writes and syncs in turn. Each test prints its seed, and
BELLBOARD_CRASH_SEED repeats it.
"""
