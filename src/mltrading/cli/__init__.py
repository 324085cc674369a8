"""The commands, one module each: `configure(parser)` adds its arguments, `run(arguments)` does it
and returns the exit code. A module is imported only when its command is asked for."""
