"""Confinement: what the process that reads files may still do, by the kernel's own means (Linux: landlock, seccomp).

    environment   the variables that it gets
    folders       what it may read, write and run
    landlock      files and network, for this process and all that it starts
    seccomp       system calls that no extractor needs

No library is used: those for landlock are young, and the calls are four. `docs/security.md` says what is defended.
"""
