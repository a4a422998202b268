"""The vendor's SDK for Python, unmodified, as an administrator of our server; `sdks.test.mjs` runs it.

Hook keys are left out: the SDK wants a text for `isUsed`, where the vendor's own API answers with a boolean.
"""

import asyncio
import os

from okta import models
from okta.client import Client

TOKEN_HOOK = "com.okta.oauth2.tokens.transform"


def body(model, **members):
    config = models.InlineHookHttpConfigCreate.from_dict(
        {
            "uri": os.environ["TENTERHOOK_HOOK_URL"],
            "method": "POST",
            "headers": [{"key": "X-Tenant", "value": "south"}],
            "authScheme": {"type": "HEADER", "key": "Authorization", "value": "secret"},
        }
    )
    channel = models.InlineHookChannelHttpCreate(type="HTTP", version="1.0.0", config=config)
    return model(version="1.0.0", channel=channel, **members)


async def done(call):
    """The result of a call that must succeed."""
    *result, error = await call
    assert error is None, error
    return result[0] if result else None


async def refused(call):
    """The error of a call that must not."""
    *_, error = await call
    assert error is not None, "it was not refused"
    return error


async def main():
    client = Client({"orgUrl": os.environ["TENTERHOOK_BASE_URL"], "token": os.environ["TENTERHOOK_ADMIN_TOKEN"]})
    create = body(models.InlineHookCreate, name="Python", type=TOKEN_HOOK)
    hook = await done(client.create_inline_hook(create))
    assert hook.status.value == "ACTIVE", hook
    assert (await refused(client.create_inline_hook(create))).error_code == "E0000001", "the name is taken"

    got = await done(client.get_inline_hook(hook.id))
    assert got.channel.config.headers[0].value == "south", got
    listed = await done(client.list_inline_hooks(type=TOKEN_HOOK))
    assert hook.id in [each.id for each in listed], listed

    replace = body(models.InlineHookReplace, name="Python, replaced")
    replaced = await done(client.replace_inline_hook(hook.id, replace))
    assert replaced.name == "Python, replaced", replaced
    update = body(models.InlineHookReplace, name="Python, updated")
    assert (await done(client.update_inline_hook(hook.id, update))).name == "Python, updated"

    assert (await refused(client.delete_inline_hook(hook.id))).error_code == "E0000001", "it is active"
    assert (await done(client.deactivate_inline_hook(hook.id))).status.value == "INACTIVE"
    assert (await done(client.activate_inline_hook(hook.id))).status.value == "ACTIVE"
    await done(client.deactivate_inline_hook(hook.id))
    await done(client.delete_inline_hook(hook.id))
    assert (await refused(client.get_inline_hook(hook.id))).error_code == "E0000007"

    events = await done(client.list_log_events(limit=5))
    assert len(events) == 5 and all(event.published for event in events), events
    servers = await done(client.list_authorization_servers())
    assert "default" in [server.name for server in servers], servers


asyncio.run(main())
