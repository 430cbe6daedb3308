"""The oracle: a second, slow and plain reading of the engine's rules. It imports no `models.kernel`, no `models.engine`
and no `streams.scoring`."""
