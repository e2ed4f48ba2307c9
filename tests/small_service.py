"""The token of services that tests start."""

TOKEN = "a-token-of-the-tests"
