"""The compiled half of `models`: apply events to rows, compute features, score, decide. Called a batch or a sweep at a time."""
