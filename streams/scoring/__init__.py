"""The data plane: reads events exactly once, keeps state, publishes changes. Imports `models`, `streams.broker`, contracts."""
