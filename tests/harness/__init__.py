"""How the promises are proved: each harness breaks something thousands of times, and holds what is left to the promise.

    python -m tests.harness.kills     kill -9 of a sending worker at random, 10,000 times
    python -m tests.harness.lives     kill -9 of the whole program
    python -m tests.harness.deadly    mails that kill whoever composes them
    python -m tests.harness.syscalls  a kill at every system call of plan, send, retry, reload, migrate
    python -m tests.harness.power     10,000 simulated power cuts over what a worker wrote
    python -m tests.harness.faults    a full disk or an I/O error at every Nth write and sync
    python -m tests.harness.crowd     four daemons on one store
    python -m tests.harness.frozen    a worker that is stopped for longer than its lease
    python -m tests.harness.postgres  PostgreSQL stopped at random
    python -m tests.harness.canaries  10,000 mails side by side, none of which holds anything of another's

Each takes `--help`, prints its seed and counts, and ends with 1 when the promise was broken. `--break FORM` takes a
part of the promise out of the program (`tests.harness.broken`), to see that the harness notices; the tests here do so,
with a short form of each. `power`, `syscalls` and `faults` need strace.
"""
