import pytest

from indexer.errors import ConfigurationError
from offchain.gateways.opening import open_gateways
from offchain.settings import CronSettings, HttpSettings, WorkerSettings
from tests.support.offchain import environment

DATABASE, REDIS = "postgresql://nobody@localhost/none", "redis://localhost"
CROWDSPLIT = {
    "CROWDSPLIT_CLIENT_ID": "id",
    "CROWDSPLIT_CLIENT_SECRET": "secret",
    "CROWDSPLIT_WEBHOOK_SECRETS": "whsec_a, whsec_b",
}
STRIPE = {"STRIPE_SECRET_KEY": "sk_test_a", "STRIPE_WEBHOOK_SECRETS": "whsec_c"}
PAYSTACK = {"PAYSTACK_SECRET_KEY": "sk_test_b", "PAYSTACK_OLD_SECRET_KEYS": "sk_test_old"}


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but gateways, in the environment of this test alone."""
    for name, value in environment(DATABASE, REDIS).items():
        if name.startswith("CROWDSPLIT_"):
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    for name in (*STRIPE, *PAYSTACK):
        monkeypatch.delenv(name, raising=False)


def set_all(monkeypatch: pytest.MonkeyPatch, *accounts: dict[str, str]) -> None:
    for account in accounts:
        for name, value in account.items():
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("accounts", "names"),
    [
        ([CROWDSPLIT], ["crowdsplit"]),
        ([STRIPE], ["stripe"]),
        ([PAYSTACK], ["paystack"]),
        ([PAYSTACK, STRIPE, CROWDSPLIT], ["crowdsplit", "stripe", "paystack"]),
    ],
)
def test_gateways_are_opened_when_their_secrets_are_set(
    monkeypatch: pytest.MonkeyPatch, accounts: list[dict[str, str]], names: list[str]
) -> None:
    set_all(monkeypatch, *accounts)
    for settings in (HttpSettings.from_environment(), WorkerSettings.from_environment()):
        gateways = open_gateways(settings, webhook_secrets={})
        assert [gateway.name for gateway in gateways.values()] == names
        assert list(gateways) == names
        for gateway in gateways.values():
            gateway.close()


@pytest.mark.parametrize("settings", [HttpSettings, WorkerSettings])
def test_settings_are_refused_when_no_gateway_is_enabled(
    settings: type[HttpSettings | WorkerSettings],
) -> None:
    with pytest.raises(ConfigurationError, match="no gateway is enabled: set CROWDSPLIT_CLIENT_ID"):
        settings.from_environment()


def test_cron_needs_no_gateway() -> None:
    assert CronSettings.from_environment().redis_url_text.startswith("redis://")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"CROWDSPLIT_CLIENT_ID": "id"}, ["CROWDSPLIT_CLIENT_SECRET", "CROWDSPLIT_WEBHOOK"]),
        ({"CROWDSPLIT_CLIENT_SECRET": "s"}, ["set without CROWDSPLIT_CLIENT_ID"]),
        ({"STRIPE_SECRET_KEY": "sk"}, ["STRIPE_WEBHOOK_SECRETS: Value error, required"]),
        ({**STRIPE, "STRIPE_BASE_URL": "https://api.stripe.com/v1"}, ["without a path"]),
        ({**STRIPE, "STRIPE_BASE_URL": "api.stripe.com"}, ["STRIPE_BASE_URL"]),
        ({**CROWDSPLIT, "CROWDSPLIT_DIALECT": "gen1"}, ["CROWDSPLIT_DIALECT"]),
    ],
)
def test_http_settings_name_everything_that_an_enabled_gateway_lacks(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: list[str]
) -> None:
    set_all(monkeypatch, given)
    with pytest.raises(ConfigurationError) as refused:
        HttpSettings.from_environment()
    assert all(words in str(refused.value) for words in named), refused.value


def test_worker_knows_no_webhook_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, CROWDSPLIT, STRIPE, PAYSTACK)
    fields = WorkerSettings.from_environment().model_dump()
    assert not [name for name in fields if "webhook" in name or "old" in name]


def test_webhook_secrets_hold_every_active_one_and_no_print_shows_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, CROWDSPLIT, STRIPE, PAYSTACK)
    settings = HttpSettings.from_environment()
    assert settings.webhook_secrets == {
        "crowdsplit": ("whsec_a", "whsec_b"),
        "stripe": ("whsec_c",),
        "paystack": ("sk_test_b", "sk_test_old"),
    }
    shown = f"{settings!r} {settings}"
    for secret in ("whsec_", "sk_test_", "'secret'"):
        assert secret not in shown


@pytest.mark.parametrize(("text", "policy"), [(None, "review"), ("accept", "accept")])
def test_late_money_is_reviewed_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, text: str | None, policy: str
) -> None:
    set_all(monkeypatch, CROWDSPLIT, {} if text is None else {"LASTRO_LATE_MONEY": text})
    assert WorkerSettings.from_environment().late_money == policy
