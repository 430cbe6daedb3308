"""The serving half: a Faust app keeps tables of memberships and of flows and answers questions about them over HTTP.

It reads topics and owns nothing that cannot be rebuilt from them. May import `models.errors`, `streams.contracts`,
`streams.broker`, `streams.topics`, `streams.metrics`, `streams.settings` and `streams.errors`.
"""
