"""What Shoal knows of customers: state rows, features, rules, models. Pure; imports nothing of `streams`, no I/O."""
