"""Many contracts at once: which, in what order, each in a process of its own, and how the whole ended.

Pure: `choose` (which contracts), `schedule` (which begins next), `ending` (what is told, the exit code). Outer layer:
`pool` starts the processes and listens to them, `child` is what runs in one, `show` prints.
"""
