"""The environment variables of the SDK's commands, beside which the service has its settings."""

URL = "BOTKEYS_URL"
TOKEN_FILE = "BOTKEYS_TOKEN_FILE"
TOKEN = "BOTKEYS_TOKEN"
EXCHANGE_HOSTS = "BOTKEYS_EXCHANGE_HOSTS"

VARIABLES = frozenset({URL, TOKEN_FILE, TOKEN, EXCHANGE_HOSTS})
