"""`make soak`: a deployment under load for as long as one likes, a fault a minute; then the oracle is asked."""
