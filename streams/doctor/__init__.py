"""`shoal doctor`: looks at a deployment from outside and says what to mend. Changes nothing."""
