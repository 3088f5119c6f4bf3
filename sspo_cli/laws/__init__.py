"""The laws that every objective obeys, a user's own included: `sspo selftest` and the tests ask the same ones."""
